"""A population's state, and its steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.calls import fire, lent, threads
from respike.engines.event.kinds import kind_of
from respike.engines.event.memo import Once
from respike.engines.event.packing import channels_last, dense, work
from respike.engines.event.record import EventRecorder
from respike.engines.event.values import Events, Layout, Value, packed
from respike.engines.walk import at
from respike.neurons import State, TracedState
from respike.plan import Site
from respike.schedule import Phase


class Population:
    """The state of one site over a tile of images."""

    def __init__(self, name: str, site: Site, recorder: EventRecorder, memo: Once) -> None:
        self.name = name
        self.site = site
        self.recorder = recorder
        self.memo = memo
        self.ready: _Ready | None = None

    def __call__(self, value: Value, phase: Phase, steps: int, batch: int, dtype: torch.dtype) -> Events:
        """The spikes that a current makes it send."""
        if self.ready is None:
            self.ready = self.memo.once(
                ("population", self.name, channels_last(value)), partial(_ready, self.site, value, dtype)
            )
            initial = self.ready.initial.expand(batch, -1).clone(memory_format=torch.contiguous_format)
            self.state: State = self.site.neuron.start(initial)
        ready = self.ready
        if phase.bias_on and ready.extra is not None:
            value = value.plus(ready.extra)
        shared = _native.Shared()
        if ready.neurons is None:
            words = self._stepped(ready, value, steps, batch, dtype)
        else:
            words = self._compiled(ready, ready.neurons, value, steps, batch, dtype, shared)
        self.recorder.population(self.name, words, ready.layout, steps, self.state.potential, self.site.neuron, shared)
        return Events(ready.layout.shaped(words), ready.spike_value, steps, (self.name,), shared)

    def _compiled(
        self,
        ready: _Ready,
        neurons: _native.Neurons,
        value: Value,
        steps: int,
        batch: int,
        dtype: torch.dtype,
        shared: _native.Shared,
    ) -> Tensor:
        """The steps in a kernel, which changes the state in place. Words may not be written yet: `shared` knows."""
        given = work(value, ready.layout, dtype, self.memo)
        words = torch.empty(ready.signs, ready.bits, *self.state.potential.shape, dtype=torch.int64)
        fire(
            given.parts,
            given.rest,
            steps,
            (batch, *ready.layout.sizes),
            given.block,
            neurons,
            lent(self.state.potential),
            lent(self.state.total) if isinstance(self.state, TracedState) else None,
            lent(words),
            threads(),
            shared,
        )
        return words

    def _stepped(self, ready: _Ready, value: Value, steps: int, batch: int, dtype: torch.dtype) -> Tensor:
        """The steps by the neuron's definition."""
        currents = ready.layout.flat(dense(value, steps, batch, dtype, self.memo))
        threshold = ready.layout.flat(ready.threshold.expand(1, *value.shape))
        amplitudes = currents.new_empty(steps, *currents.shape[1:])
        for number in range(steps):
            self.state, amplitudes[number] = self.site.neuron.step(self.state, at(currents, number), threshold)
        return packed(self.name, amplitudes)


@dataclass(frozen=True, eq=False)
class _Ready:
    """What of a population does not depend on its input.

    Args:
        layout: how its neurons lie.
        initial: their first potentials, `[1, neurons]`.
        extra: the extra current, `[1, 1, *shape]` (dimensions of `shape` may be 1), where there is one.
        threshold: `[1, *shape]` (dimensions of `shape` may be 1).
        spike_value: `[1, *shape]` (dimensions of `shape` may be 1).
        neurons: what the kernels are given, where they know the neuron.
        signs: of its amplitudes.
        bits: of its amplitudes.
    """

    layout: Layout
    initial: Tensor
    extra: Tensor | None
    threshold: Tensor
    spike_value: Tensor
    neurons: _native.Neurons | None
    signs: int
    bits: int


def _ready(site: Site, value: Value, dtype: torch.dtype) -> _Ready:
    layout, kind = Layout(value.shape, channels_last(value)), kind_of(site.neuron)
    whole = torch.empty((), dtype=dtype).expand(1, *value.shape)
    numbers = site.like(whole)
    extra, neurons = numbers.extra_current, None
    if kind is not None:
        neurons = _native.Neurons(_per_channel(numbers.threshold, layout), kind.dynamics, kind.parameter)
    return _Ready(
        layout,
        initial=layout.flat(numbers.initial_potential.expand_as(whole)),
        extra=extra.reshape(1, *(extra.shape or (1,) * (1 + len(value.shape)))) if bool(extra.any()) else None,
        threshold=numbers.threshold,
        spike_value=numbers.spike_value,
        neurons=neurons,
        signs=1 + site.neuron.signed,
        bits=1 if kind is None else kind.bits,
    )


def _per_channel(quantity: Tensor, layout: Layout) -> Tensor:
    """`[channels]` in the kernels' order, or `[neurons]` where it differs within their channels."""
    channels = layout.per_channel(quantity)
    return layout.flat(quantity.expand(1, *layout.shape))[0] if channels is None else channels
