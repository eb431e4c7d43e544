"""Few-spikes populations: the K steps of a neuron in registers, one pass over the population."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.memo import Memo
from respike.engines.event.record import EventRecorder
from respike.engines.event.values import LONGEST, Layout, packed
from respike.neurons import Above, Coefficients, FewSpikes, FittedFewSpikes, Neuron, PhaseCoded, SequenceNeuron
from respike.plan import Site


@dataclass(frozen=True, eq=False)
class _Numbers:
    """A site's numbers as the kernel reads them: offset, threshold and spike value of each group; T, h and d."""

    by_group: tuple[Tensor, Tensor, Tensor]
    coefficients: tuple[Tensor, Tensor, Tensor]


def population(name: str, site: Site, current: Tensor, recorder: EventRecorder, memo: Memo) -> Tensor:
    """What a population delivers for its input `[batch, *shape]`: `fire_window`, step for step and bit for bit."""
    shape, neuron = current.shape[1:], site.neuron
    find = SEQUENCES.get(type(neuron))
    sequences = None if find is None else find(neuron)
    if sequences is None or len(sequences.coefficients.thresholds) > _native.MOST_WINDOW:
        return _by_definition(name, site, current, recorder)
    numbers = memo.once(("few", name), lambda: _numbers(site, sequences, current))
    flat = current.reshape(len(current), shape.numel()).contiguous()
    delivered = torch.empty_like(flat)
    potential = torch.empty_like(flat) if recorder.keeps_potential(name) else None
    words = recorder.room(flat.shape) if recorder.counts(name) else None
    threads = torch.get_num_threads()
    _native.few(flat, *numbers.by_group, *numbers.coefficients, sequences.above, delivered, potential, words, threads)
    if words is not None:
        layout = Layout(tuple(shape), channels_last=True)
        recorder.population(name, words, layout, len(neuron.worth), potential, neuron)
    return delivered.reshape(current.shape)


@dataclass(frozen=True)
class Sequences:
    """What the kernel runs: the sequences T, h and d, and whether neurons fire above the threshold only."""

    coefficients: Coefficients
    above: bool


def _sequences(neuron: SequenceNeuron) -> Sequences:
    return Sequences(neuron.coefficients, isinstance(neuron.firing, Above))


SEQUENCES: Mapping[type[Neuron], Callable[[Any], Sequences]] = {
    FewSpikes: _sequences,
    FittedFewSpikes: _sequences,
    PhaseCoded: _sequences,
}
"""By the neuron's class. A neuron that has no entry takes its steps by its definition."""


def _by_definition(name: str, site: Site, current: Tensor, recorder: EventRecorder) -> Tensor:
    numbers, neuron = site.like(current), site.neuron
    charge = current + (numbers.initial_potential + numbers.extra_current)
    potential, amplitudes, delivered = neuron.fire_window(charge, numbers.threshold)
    if recorder.counts(name):
        layout = Layout(tuple(current.shape[1:]), channels_last=True)
        for chunk in torch.split(amplitudes.flatten(2), LONGEST):
            recorder.population(name, packed(name, chunk), layout, len(chunk), potential.flatten(1), neuron)
    return delivered * numbers.spike_value


def _numbers(site: Site, sequences: Sequences, current: Tensor) -> _Numbers:
    numbers, each = site.like(current), sequences.coefficients
    offset = numbers.initial_potential + numbers.extra_current
    group = _groups(current.shape[1:], [offset, numbers.threshold, numbers.spike_value])
    return _Numbers(
        (group(offset), group(numbers.threshold), group(numbers.spike_value)),
        (_double(each.thresholds), _double(each.resets), _double(each.values)),
    )


def _double(sequence: tuple[float, ...]) -> Tensor:
    return torch.tensor(sequence, dtype=torch.float64)


def _groups(shape: torch.Size, quantities: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """What gives a quantity that broadcasts against `[1, *shape]` as one number for each group of neighbouring neurons.

    In a group none of the `quantities` varies: it takes in the last dimensions, in which all of them have size 1.
    """

    def whole(quantity: Tensor) -> Tensor:
        return quantity.reshape((1,) * (1 + len(shape) - quantity.ndim) + tuple(quantity.shape))

    varying = [d for d in range(len(shape)) if any(whole(quantity).shape[1 + d] > 1 for quantity in quantities)]
    depth = max(varying, default=-1) + 1
    inner = (1,) * (len(shape) - depth)
    return lambda quantity: whole(quantity).expand(1, *shape[:depth], *inner).flatten().contiguous()
