"""What a probe asks for, counted on words."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.calls import add_counts, lent, tally, threads
from respike.engines.event.values import Events, Layout
from respike.neurons import Neuron
from respike.record import Probe, Recording


class EventRecorder:
    """Collects what a probe asks for over a tile of images, as `record.Recorder` does from dense spikes."""

    def __init__(self, probe: Probe, dtype: torch.dtype) -> None:
        self._probe = probe
        self._dtype = dtype
        self._outputs: list[Tensor] = []
        self._counts: dict[str, tuple[Layout, Tensor]] = {}
        self._spikes: dict[str, list[Tensor]] = {}
        self._per_step: dict[str, list[Tensor]] = {}
        self._potentials: dict[str, tuple[Layout, Tensor]] = {}
        self._fan_out: dict[str, Tensor] = {}
        self._room = torch.empty(0, dtype=torch.int64)

    def counts(self, name: str) -> bool:
        """Whether anything about a population's spikes, or its potential, is asked for."""
        probe = self._probe
        return probe.spike_counts or name in probe.spikes or name in probe.fan_out or name in probe.potentials

    def fan_out_alone(self, name: str) -> Tensor | None:
        """A population's fan-out, `[*shape]`, where nothing but sums of spikes and operations is asked for."""
        probe = self._probe
        if probe.spike_counts or name in probe.spikes or name in probe.potentials or name not in probe.fan_out:
            return None
        return probe.fan_out[name].to("cpu", torch.float64)

    def sums(self, name: str, sums: Tensor) -> None:
        """Takes the spikes and operations of some steps, summed over the population, `[steps, 2]`."""
        self._per_step.setdefault(name, []).append(sums)

    def keeps_potential(self, name: str) -> bool:
        """Whether a population's potential is asked for."""
        return name in self._probe.potentials

    def room(self, shape: Sequence[int]) -> Tensor:
        """Words `[*shape]` for a population to write and to hand over at once: the same memory each time."""
        size = math.prod(shape)
        if self._room.numel() < size:
            self._room = torch.empty(size, dtype=torch.int64)
        return self._room[:size].reshape(*shape)

    def population(
        self,
        name: str,
        words: Tensor,
        layout: Layout,
        steps: int,
        potential: Tensor | None = None,
        neuron: Neuron | None = None,
        shared: _native.Shared | None = None,
    ) -> None:
        """Takes the spikes of some steps (`[signs, bits, batch, neurons]`), and the potential after them.

        `neuron` says how many spikes an amplitude is; without it, amplitudes are 0 or 1. `shared` is of words that may
        not be written yet.
        """
        events = Events(words, torch.ones((), dtype=self._dtype), steps, (), shared or _native.Shared())
        if self._probe.spike_counts:
            if name not in self._counts:
                self._counts[name] = (layout, torch.zeros(words.shape[2:], dtype=self._dtype))
            add_counts(lent(events.words), lent(self._counts[name][1]))
        if name in self._probe.spikes:
            self._spikes.setdefault(name, []).append(layout.shaped(events.dense()))
        if potential is not None and name in self._probe.potentials:
            self._potentials[name] = (layout, potential)
        if name in self._probe.fan_out:
            if name not in self._fan_out:
                self._fan_out[name] = layout.flat(self._probe.fan_out[name].to("cpu", torch.float64))
            self._per_step.setdefault(name, []).append(_sums(events, self._fan_out[name], neuron))

    def outputs(self, outputs: Tensor) -> None:
        """Takes the readout after each of some steps."""
        self._outputs.append(outputs)

    def finish(self) -> Recording:
        """What was kept."""
        per_step = {name: _cat(parts) for name, parts in self._per_step.items()}
        return Recording(
            outputs_over_time=_cat(self._outputs),
            spike_counts={name: layout.shaped(counts) for name, (layout, counts) in self._counts.items()},
            spikes_per_step={name: sums[:, 0] for name, sums in per_step.items()},
            operations_per_step={name: sums[:, 1] for name, sums in per_step.items()},
            spikes={name: _cat(parts) for name, parts in self._spikes.items()},
            potentials={name: layout.shaped(potential) for name, (layout, potential) in self._potentials.items()},
        )


def _cat(parts: list[Tensor]) -> Tensor:
    """One behind the other; a single one as it is, since nobody else holds it."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _sums(events: Events, fan_out: Tensor, neuron: Neuron | None) -> Tensor:
    """Spikes and operations of each step, `[steps, 2]`.

    The spikes of an amplitude are those of its bits together, or one where the neuron's amplitudes are graded; else
    the neuron says how many.
    """
    if neuron is not None and not _bit_by_bit(neuron):
        sent = neuron.spikes_sent(events.dense())
        totals = sent.sum(1, dtype=torch.float64)
        return torch.stack([totals.sum(1), totals @ fan_out.flatten()], 1)
    total = torch.empty(events.steps, 2, dtype=torch.float64)
    if events.planes[1] == 1:
        _tally(events.memory, events.shared, fan_out, total)
        return total
    planes = [events.words[:, bit : bit + 1] for bit in range(events.planes[1])]
    if neuron is not None and neuron.graded:
        planes = [functools.reduce(torch.bitwise_or, planes)]
    for bit, plane in enumerate(planes):
        sums = total if bit == 0 else torch.empty_like(total)
        _tally(plane.contiguous(), _native.Shared(), fan_out, sums)
        spikes = 1 if neuron is None else int(neuron.spikes_sent(torch.tensor(2**bit)))
        if spikes != 1:
            sums *= spikes
        if bit:
            total += sums
    return total


def _tally(words: Tensor, shared: _native.Shared, fan_out: Tensor, sums: Tensor) -> None:
    tally(lent(words), shared, lent(fan_out), len(sums), lent(sums), threads())


def _bit_by_bit(neuron: Neuron) -> bool:
    """Whether an amplitude's spikes are those of its bits together, or it is one event."""
    if neuron.graded or neuron.most is None:
        return True
    amplitudes, bits = torch.arange(neuron.most + 1), range(neuron.most.bit_length())
    summed = sum((neuron.spikes_sent(amplitudes & 1 << bit) for bit in bits), start=torch.zeros_like(amplitudes))
    return torch.equal(neuron.spikes_sent(amplitudes), summed)


def joined(records: Sequence[Recording]) -> Recording:
    """The recording of a batch from those of its tiles."""
    if len(records) == 1:
        return records[0]
    first = records[0]
    return Recording(
        outputs_over_time=torch.cat([r.outputs_over_time for r in records], 1),
        spike_counts={name: torch.cat([r.spike_counts[name] for r in records]) for name in first.spike_counts},
        spikes_per_step={
            name: torch.stack([r.spikes_per_step[name] for r in records]).sum(0) for name in first.spikes_per_step
        },
        operations_per_step={
            name: torch.stack([r.operations_per_step[name] for r in records]).sum(0)
            for name in first.operations_per_step
        },
        spikes={name: torch.cat([r.spikes[name] for r in records], 1) for name in first.spikes},
        potentials={name: torch.cat([r.potentials[name] for r in records]) for name in first.potentials},
    )
