"""Few-spikes populations: the K steps of a neuron in registers, one pass over the population."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.memo import Once
from respike.engines.event.record import EventRecorder
from respike.engines.event.values import LONGEST, Layout, packed
from respike.ir import Identity
from respike.neurons import (
    Above,
    CanonicFewSpikes,
    Coefficients,
    FewSpikes,
    FittedDigits,
    FittedFewSpikes,
    LevelSpikes,
    Neuron,
    PhaseCoded,
    SequenceNeuron,
    SignedDigits,
    TimeToFirstSpike,
)
from respike.plan import Site


@dataclass(frozen=True, eq=False)
class _Numbers:
    """A site's numbers as the kernel reads them: offset, threshold and spike value of each group; T, h and d."""

    by_group: tuple[Tensor, Tensor, Tensor]
    coefficients: tuple[Tensor, Tensor, Tensor]


def population(name: str, site: Site, current: Tensor, recorder: EventRecorder, memo: Once) -> Tensor:
    """What a population delivers for its input `[batch, *shape]`: `fire_window`, step for step and bit for bit."""
    shape, neuron = current.shape[1:], site.neuron
    if (of := DIGITS.get(type(neuron))) is not None:
        return _by_digits(name, site, current, recorder, memo.once(("digits", name), lambda: of(neuron)), memo)
    find = SEQUENCES.get(type(neuron))
    sequences = None if find is None else find(neuron)
    if type(neuron) in QUANTISERS and neuron.largest < _MOST_LEVELS:
        return _by_levels(name, site, current, recorder)
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
    LevelSpikes: _sequences,
}
"""By the neuron's class. A neuron that has no entry takes its steps by its definition."""


@dataclass(frozen=True, eq=False)
class Digits:
    """What the kernel of signed spikes runs: in step t, +1 from `up` thresholds on, else -1 below minus `down`.

    Args:
        up: in thresholds, `[steps]`, as are the others.
        down: the same.
        worth: what a spike takes off and delivers.
        floor: whether -1 is sent only where more than 0 has been delivered.
    """

    up: Tensor
    down: Tensor
    worth: Tensor
    floor: bool


def _powers(neuron: SignedDigits | CanonicFewSpikes) -> Digits:
    worth = _double(neuron.worth)
    reach = (2 * worth / 3).floor()
    return Digits(reach + 1, reach, worth, isinstance(neuron, CanonicFewSpikes))


def _fitted(neuron: FittedDigits) -> Digits:
    thresholds = _double(neuron.thresholds)
    return Digits(thresholds, thresholds, _double(neuron.values), floor=False)


DIGITS: Mapping[type[Neuron], Callable[[Any], Digits]] = {
    SignedDigits: _powers,
    CanonicFewSpikes: _powers,
    FittedDigits: _fitted,
}
"""By the neuron's class: those that send spikes of both signs."""


def _by_digits(name: str, site: Site, current: Tensor, recorder: EventRecorder, digits: Digits, memo: Once) -> Tensor:
    """The K steps in registers, neurons in the order in which they lie in memory."""
    strides = current.stride()
    order = (0, *sorted(range(1, current.ndim), key=lambda d: -strides[d]))
    numbers, inner = memo.once(("digits", name, order), lambda: _lanes(site, current, order))
    ordered = current.permute(order).contiguous()
    flat = ordered.reshape(len(ordered), current[0].numel())
    delivered = torch.empty_like(flat)
    potential = torch.empty_like(flat) if recorder.keeps_potential(name) else None
    words = targets = sums = None
    fan_out = recorder.fan_out_alone(name)
    if fan_out is not None:
        targets = _targets(fan_out, order)
        sums = torch.empty(len(digits.up), 2, dtype=torch.float64)
    elif recorder.counts(name):
        words = torch.empty(2, 1, *flat.shape, dtype=torch.int64)
    up, down, worth, floor = digits.up, digits.down, digits.worth, digits.floor
    threads = torch.get_num_threads()
    _native.digits(flat, *numbers, inner, up, down, worth, floor, delivered, potential, words, targets, sums, threads)
    back = [order.index(d) for d in range(current.ndim)]

    def as_given(values: Tensor) -> Tensor:
        return values.view(ordered.shape).permute(back)

    if sums is not None:
        recorder.sums(name, sums)
    if words is not None:
        layout = Layout(tuple(current.shape[1:]), channels_last=True)
        planes = torch.stack([as_given(plane).flatten(1) for plane in words]).unsqueeze(1)
        left = None if potential is None else as_given(potential).flatten(1)
        recorder.population(name, planes, layout, len(digits.up), left, site.neuron)
    return as_given(delivered)


def _lanes(site: Site, current: Tensor, order: tuple[int, ...]) -> tuple[tuple[Tensor, Tensor, Tensor], int]:
    """A site's offset, threshold and spike value as the kernel of digits reads neurons `[outer, channels, inner]`.

    Those of channels, and how many neurons are side by side that have the same.
    """
    numbers, shape = site.like(current), [current.shape[d] for d in order]

    def ordered(part: Tensor) -> Tensor:
        return part.reshape((1,) * (len(order) - part.ndim) + tuple(part.shape)).permute(order)

    offset = ordered(numbers.initial_potential + numbers.extra_current)
    threshold, value = ordered(numbers.threshold), ordered(numbers.spike_value)
    varying = [d for d in range(1, len(order)) if any(part.shape[d] > 1 for part in (offset, threshold, value))]
    first, last = (varying[0], varying[-1]) if varying else (len(order), 0)
    size = [shape[d] if first <= d <= last else 1 for d in range(len(order))]

    def of_channels(part: Tensor) -> Tensor:
        return part.expand(size).flatten().contiguous()

    return (of_channels(offset), of_channels(threshold), of_channels(value)), math.prod(shape[last + 1 :])


def _targets(fan_out: Tensor, order: tuple[int, ...]) -> Tensor:
    """A population's fan-out in the order of its neurons; one number where it is the same for all."""
    if bool((fan_out == fan_out.flatten()[0]).all()):
        return fan_out.flatten()[:1].contiguous()
    return fan_out.permute([d - 1 for d in order[1:]]).flatten().contiguous()


QUANTISERS: frozenset[type[Neuron]] = frozenset({TimeToFirstSpike})
"""Neurons that deliver `clip(floor(v / unit), lowest, largest)` units, whose spikes are looked up by that number."""
_MOST_LEVELS = 2**12
"""Numbers that are looked up, at most; beyond, neurons take their steps."""


def _by_levels(name: str, site: Site, current: Tensor, recorder: EventRecorder) -> Tensor:
    """The K steps of a quantiser at once.

    Where rounding may decide what the steps make of a potential, close to a whole number of units, they are taken.
    """
    numbers, neuron = site.like(current), site.neuron
    charge = current + (numbers.initial_potential + numbers.extra_current)
    units = charge / numbers.threshold
    levels = units.floor().clamp_(lowest(neuron), neuron.largest)
    off = units.round().sub_(units).abs_()
    close = off <= units.abs_().mul_(4 * torch.finfo(units.dtype).eps)
    _, amplitudes, delivered = neuron.fire_window(charge[close], numbers.threshold.expand_as(charge)[close])
    fan_out = recorder.fan_out_alone(name)
    if fan_out is not None:
        recorder.sums(name, _sums(neuron, levels, close, amplitudes, fan_out))
    levels[close] = delivered
    if fan_out is None and recorder.counts(name):
        layout = Layout(tuple(current.shape[1:]), channels_last=True)
        potential = (charge - levels * numbers.threshold).flatten(1)
        whole, at = (levels - lowest(neuron)).flatten(1).long(), close.flatten(1)
        for codes, chunk in zip(_codes(neuron), torch.split(amplitudes, LONGEST), strict=True):
            words = codes[:, whole]
            words[:, at] = _words(chunk)
            recorder.population(name, words.unsqueeze(1), layout, len(chunk), potential, neuron)
    return levels * numbers.spike_value


def _sums(neuron: Neuron, levels: Tensor, close: Tensor, amplitudes: Tensor, fan_out: Tensor) -> Tensor:
    """Spikes and operations of each step, `[steps, 2]`, from how many neurons deliver which number of units.

    The neurons that are `close` have taken their steps, and sent `amplitudes` `[steps, close neurons]`.
    """
    count = int(neuron.largest - lowest(neuron)) + 1
    whole, each = (levels - lowest(neuron)).long(), fan_out.reshape(levels.shape[1:]).expand(levels.shape)
    exact, reached = whole[close], each[close]
    neurons = torch.bincount(whole.flatten(), minlength=count) - torch.bincount(exact, minlength=count)
    if bool((fan_out == fan_out.flatten()[0]).all()):
        targets = neurons * fan_out.flatten()[0]
    else:
        targets = torch.bincount(whole.flatten(), each.flatten(), count) - torch.bincount(exact, reached, count)
    spikes = amplitudes.abs().double()
    stepped = torch.stack([spikes.sum(1), spikes @ reached], 1)
    return _digits(neuron) @ torch.stack([neurons.double(), targets], 1) + stepped


@functools.cache
def _digits(neuron: Neuron) -> Tensor:
    """How many spikes each number of units is in each step, `[steps, levels]`."""
    levels = torch.arange(lowest(neuron), neuron.largest + 1, dtype=torch.float64)
    _, amplitudes, _ = neuron.fire_window(levels, torch.ones((), dtype=torch.float64))
    return amplitudes.abs()


def lowest(neuron: Neuron) -> float:
    """The fewest units that a quantiser delivers: 0, unless it stands for a function that has values below."""
    return -neuron.largest if isinstance(neuron.computes, Identity) else 0.0


@functools.cache
def _codes(neuron: Neuron) -> tuple[Tensor, ...]:
    """The words that deliver each number of units, `[signs, levels]`; one for every 64 steps of the window."""
    levels = torch.arange(lowest(neuron), neuron.largest + 1, dtype=torch.float64)
    _, amplitudes, _ = neuron.fire_window(levels, torch.ones((), dtype=torch.float64))
    return tuple(_words(chunk) for chunk in torch.split(amplitudes, LONGEST))


def _words(amplitudes: Tensor) -> Tensor:
    """Spikes of -1, 0 and 1, `[steps, neurons]`, as words `[2, neurons]`."""
    bits = torch.ones((), dtype=torch.int64) << torch.arange(len(amplitudes)).unsqueeze(1)
    return torch.stack([(bits * (amplitudes == sign)).sum(0) for sign in (1, -1)])


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
