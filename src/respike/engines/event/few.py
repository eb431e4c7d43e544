"""Few-spikes populations: the K steps of a neuron in registers, one pass over the population."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.memo import Memo
from respike.engines.event.record import EventRecorder
from respike.engines.event.values import Layout
from respike.neurons import Above, LayerwiseNeuron
from respike.plan import Site


@dataclass(frozen=True, eq=False)
class _Numbers:
    """A site's numbers as the kernel reads them: offset, threshold and spike value of each group; T, h and d."""

    by_group: tuple[Tensor, Tensor, Tensor]
    coefficients: tuple[Tensor, Tensor, Tensor]


def population(
    name: str, site: Site, neuron: LayerwiseNeuron, current: Tensor, recorder: EventRecorder, memo: Memo
) -> Tensor:
    """What a population delivers for its input `[batch, *shape]`: `fire_few`, step for step and bit for bit."""
    shape = current.shape[1:]
    numbers = memo.once(("few", name), lambda: _numbers(site, neuron, current))
    flat = current.reshape(len(current), shape.numel()).contiguous()
    delivered = torch.empty_like(flat)
    potential = torch.empty_like(flat) if recorder.keeps_potential(name) else None
    words = recorder.room(flat.shape) if recorder.counts(name) else None
    above, threads = isinstance(neuron.fires, Above), torch.get_num_threads()
    _native.few(flat, *numbers.by_group, *numbers.coefficients, above, delivered, potential, words, threads)
    if words is not None:
        recorder.population(name, words, Layout(tuple(shape), channels_last=True), neuron.steps, potential)
    return delivered.reshape(current.shape)


def _numbers(site: Site, neuron: LayerwiseNeuron, current: Tensor) -> _Numbers:
    numbers, sequences = site.like(current), neuron.coefficients
    offset = numbers.initial_potential + numbers.extra_current
    group = _groups(current.shape[1:], [offset, numbers.threshold, numbers.spike_value])
    return _Numbers(
        (group(offset), group(numbers.threshold), group(numbers.spike_value)),
        (_double(sequences.thresholds), _double(sequences.resets), _double(sequences.values)),
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
