"""A population's state, and its steps."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.kinds import Kind, kind_of
from respike.engines.event.memo import Memo
from respike.engines.event.packing import channels_last, dense, work
from respike.engines.event.record import EventRecorder
from respike.engines.event.values import Events, Layout, Value, packed
from respike.engines.walk import at
from respike.neurons import State, TracedState
from respike.plan import Site
from respike.schedule import Phase


class Population:
    """The state of one site over a tile of images."""

    def __init__(self, name: str, site: Site, recorder: EventRecorder, memo: Memo) -> None:
        self.name = name
        self.site = site
        self.recorder = recorder
        self.memo = memo
        self.kind = kind_of(site.neuron)
        self.layout: Layout | None = None

    def __call__(self, value: Value, phase: Phase, steps: int, batch: int, dtype: torch.dtype) -> Events:
        """The spikes that a current makes it send."""
        layout = self._start(value, batch, dtype)
        if phase.bias_on and bool(self.numbers.extra_current.any()):
            extra = self.numbers.extra_current
            value = value.plus(extra.reshape(1, *(extra.shape or (1,) * (1 + len(value.shape)))))
        if self.kind is None:
            words = self._stepped(value, steps, batch, dtype)
        else:
            words = self._compiled(self.kind, value, steps, batch, dtype)
        self.recorder.population(self.name, words, layout, steps, self.state.potential, self.site.neuron)
        return Events(layout.shaped(words), self.numbers.spike_value, steps, (self.name,))

    def _start(self, value: Value, batch: int, dtype: torch.dtype) -> Layout:
        """The first step's state; potentials are `[batch, neurons]` in the kernels' order."""
        if self.layout is None:
            self.layout = layout = Layout(value.shape, channels_last(value))
            whole = torch.empty((), dtype=dtype).expand(1, *value.shape)
            self.numbers = numbers = self.site.like(whole)
            initial = layout.flat(numbers.initial_potential.expand_as(whole).expand(batch, *value.shape)).clone()
            self.state: State = self.site.neuron.start(initial)
            self.threshold = _per_channel(numbers.threshold, layout)
        return self.layout

    def _compiled(self, kind: Kind, value: Value, steps: int, batch: int, dtype: torch.dtype) -> Tensor:
        """The steps in a kernel, which changes the state in place."""
        assert self.layout is not None
        given = work(value, self.layout, dtype, self.memo)
        signs = 1 + self.site.neuron.signed
        words = torch.empty(signs, kind.bits, *self.state.potential.shape, dtype=torch.int64)
        _native.fire(
            given.parts,
            given.rest,
            steps,
            (batch, *self.layout.sizes),
            given.block,
            self.state.potential,
            self.state.total if isinstance(self.state, TracedState) else None,
            self.threshold,
            kind.dynamics,
            kind.parameter,
            words,
            torch.get_num_threads(),
        )
        return words

    def _stepped(self, value: Value, steps: int, batch: int, dtype: torch.dtype) -> Tensor:
        """The steps by the neuron's definition."""
        assert self.layout is not None
        currents = self.layout.flat(dense(value, steps, batch, dtype, self.memo))
        threshold = self.layout.flat(self.numbers.threshold.expand(1, *value.shape))
        amplitudes = currents.new_empty(steps, *currents.shape[1:])
        for number in range(steps):
            self.state, amplitudes[number] = self.site.neuron.step(self.state, at(currents, number), threshold)
        return packed(self.name, amplitudes)


def _per_channel(quantity: Tensor, layout: Layout) -> Tensor:
    """`[channels]` in the kernels' order, or `[neurons]` where it differs within their channels."""
    channels = layout.per_channel(quantity)
    return layout.flat(quantity.expand(1, *layout.shape))[0] if channels is None else channels
