"""Few-spikes populations: the K steps of a neuron in registers, one pass over the population."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
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

_FEW_INNER = 16
"""Below so many neighbours of one channel, each neuron has numbers of its own: vectors hold so many."""


@dataclass(frozen=True, eq=False)
class Window:
    """What the kernel runs: in step t, +1 from `up` thresholds on, else, where it sends both signs, -1 below `-down`.

    Args:
        sends: at the threshold or above it, or spikes of both signs.
        up: in thresholds, `[steps]`.
        down: the same.
        taken: what a spike takes off, in thresholds.
        worth: what a spike delivers, in spike values.
    """

    sends: _native.Sends
    up: Tensor
    down: Tensor
    taken: Tensor
    worth: Tensor

    @property
    def signs(self) -> int:
        """Of its spikes."""
        return 2 if self.sends in (_native.Sends.both, _native.Sends.both_floor) else 1


def _sequences(neuron: SequenceNeuron) -> Window:
    numbers = neuron.coefficients
    up, taken, worth = (_double(each) for each in (numbers.thresholds, numbers.resets, numbers.values))
    sends = _native.Sends.above if isinstance(neuron.firing, Above) else _native.Sends.at
    return Window(sends, up, torch.zeros_like(up), taken, worth)


def _powers(neuron: SignedDigits | CanonicFewSpikes) -> Window:
    worth = _double(neuron.worth)
    reach = (2 * worth / 3).floor()
    sends = _native.Sends.both_floor if isinstance(neuron, CanonicFewSpikes) else _native.Sends.both
    return Window(sends, reach + 1, reach, worth, worth)


def _fitted(neuron: FittedDigits) -> Window:
    thresholds, worth = _double(neuron.thresholds), _double(neuron.values)
    return Window(_native.Sends.both, thresholds, thresholds, worth, worth)


def _double(sequence: tuple[float, ...]) -> Tensor:
    return torch.tensor(sequence, dtype=torch.float64)


WINDOWS: Mapping[type[Neuron], Callable[[Any], Window]] = {
    FewSpikes: _sequences,
    FittedFewSpikes: _sequences,
    PhaseCoded: _sequences,
    LevelSpikes: _sequences,
    SignedDigits: _powers,
    CanonicFewSpikes: _powers,
    FittedDigits: _fitted,
}
"""By the neuron's class. A neuron that has no entry takes its steps by its definition."""


def population(name: str, site: Site, current: Tensor, recorder: EventRecorder, memo: Once) -> Tensor:
    """What a population delivers for its input `[batch, *shape]`: `fire_window`, step for step and bit for bit."""
    neuron = site.neuron
    if type(neuron) in QUANTISERS and neuron.largest < _MOST_LEVELS:
        return _by_levels(name, site, current, recorder)
    find = WINDOWS.get(type(neuron))
    window = None if find is None else memo.once(("window", name), lambda: find(neuron))
    if window is None or len(window.up) > _native.MOST_WINDOW:
        return _by_definition(name, site, current, recorder)
    return _in_registers(name, site, current, recorder, window, memo)


def _in_registers(
    name: str, site: Site, current: Tensor, recorder: EventRecorder, window: Window, memo: Once
) -> Tensor:
    """The K steps in registers, neurons in the order in which they lie in memory."""
    strides, steps = current.stride(), len(window.up)
    order = (0, *sorted(range(1, current.ndim), key=lambda d: -strides[d]))
    numbers, inner = memo.once(("few", name, order), lambda: _lanes(site, current, order))
    ordered = current.permute(order).contiguous()
    flat = ordered.reshape(len(ordered), current[0].numel())
    delivered = torch.empty_like(flat)
    potential = torch.empty_like(flat) if recorder.keeps_potential(name) else None
    words = sums = None
    targets = _targets(name, order, recorder, memo)
    if targets is not None:
        sums = torch.empty(steps, 2, dtype=torch.float64)
    elif recorder.counts(name):
        words = recorder.room((window.signs, 1, *flat.shape))
    up, down, taken, worth = window.up, window.down, window.taken, window.worth
    sends, threads = window.sends, torch.get_num_threads()
    _native.few(
        flat, *numbers, inner, sends, up, down, taken, worth, delivered, potential, words, targets, sums, threads
    )
    back = [order.index(d) for d in range(current.ndim)]

    def as_given(values: Tensor) -> Tensor:
        return values.view(ordered.shape).permute(back)

    if sums is not None:
        recorder.sums(name, sums)
    if words is not None:
        layout = Layout(tuple(current.shape[1:]), channels_last=True)
        planes = words
        if list(order) != sorted(order):
            planes = torch.stack([as_given(plane[0]).flatten(1) for plane in words]).unsqueeze(1)
        left = None if potential is None else as_given(potential).flatten(1)
        recorder.population(name, planes, layout, steps, left, site.neuron)
    return as_given(delivered)


def _lanes(site: Site, current: Tensor, order: tuple[int, ...]) -> tuple[tuple[Tensor, Tensor, Tensor], int]:
    """A site's offset, threshold and spike value as the kernel reads neurons `[outer, channels, inner]`.

    Those of channels, and how many neurons are side by side that have the same.
    """
    numbers, shape = site.like(current), [current.shape[d] for d in order]

    def ordered(part: Tensor) -> Tensor:
        return part.reshape((1,) * (len(order) - part.ndim) + tuple(part.shape)).permute(order)

    offset = ordered(numbers.initial_potential + numbers.extra_current)
    threshold, value = ordered(numbers.threshold), ordered(numbers.spike_value)
    varying = [d for d in range(1, len(order)) if any(part.shape[d] > 1 for part in (offset, threshold, value))]
    first, last = (varying[0], varying[-1]) if varying else (len(order), 0)
    if varying and math.prod(shape[last + 1 :]) < _FEW_INNER:
        last = len(order) - 1
    size = [shape[d] if first <= d <= last else 1 for d in range(len(order))]

    def of_channels(part: Tensor) -> Tensor:
        return part.expand(size).flatten().contiguous()

    return (of_channels(offset), of_channels(threshold), of_channels(value)), math.prod(shape[last + 1 :])


def _targets(name: str, order: tuple[int, ...], recorder: EventRecorder, memo: Once) -> Tensor | None:
    """A population's fan-out as the kernel reads it; None where more is asked for, or it is not whole."""
    fan_out = recorder.fan_out_alone(name)
    if fan_out is None:
        return None
    key = ("targets", name, order)
    known, targets = memo.once(key, lambda: (fan_out, _whole(fan_out, order)))
    if known is not fan_out:  # that of another probe
        targets = _whole(fan_out, order)
        memo.keep(key, (fan_out, targets))
    return targets


def _whole(fan_out: Tensor, order: tuple[int, ...]) -> Tensor | None:
    """A fan-out in the order of the neurons, one number where it is the same for all; None where it is not whole."""
    least, most = (float(end) for end in fan_out.aminmax())
    if not 0 <= least <= most <= _native.MOST_TARGETS or bool((fan_out != fan_out.floor()).any()):
        return None
    if least == most:
        return fan_out.flatten()[:1].int()
    return fan_out.permute([d - 1 for d in order[1:]]).flatten().int()


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
