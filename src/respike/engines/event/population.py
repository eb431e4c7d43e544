"""A population's state, and its steps."""

from __future__ import annotations

from typing import assert_never

import torch
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.memo import Memo
from respike.engines.event.packing import channels_last, work
from respike.engines.event.record import EventRecorder
from respike.engines.event.values import Events, Layout, Value
from respike.errors import InvalidPlan
from respike.neurons import (
    Above,
    AtOrAbove,
    FewSpikes,
    FittedFewSpikes,
    IntegrateFire,
    Neuron,
    SignedIntegrateFire,
    Subtract,
    ToValue,
)
from respike.plan import Site
from respike.schedule import Phase


class Population:
    """The state of one site over a tile of images."""

    def __init__(self, name: str, site: Site, recorder: EventRecorder, memo: Memo) -> None:
        self.name = name
        self.site = site
        self.recorder = recorder
        self.memo = memo
        self.layout: Layout | None = None

    def __call__(self, value: Value, phase: Phase, steps: int, batch: int, dtype: torch.dtype) -> Events:
        """The spikes that a current makes it send."""
        layout = self._start(value, batch, dtype)
        if phase.bias_on and bool(self.numbers.extra_current.any()):
            extra = self.numbers.extra_current
            value = value.plus(extra.reshape(1, *(extra.shape or (1,) * (1 + len(value.shape)))))
        given = work(value, layout, dtype, self.memo)
        signed = isinstance(self.site.neuron, SignedIntegrateFire)
        words = torch.empty(1 + signed, 1, *self.potential.shape, dtype=torch.int64)
        kind, reset = _kind(self.site.neuron)
        _native.fire(
            given.parts,
            given.rest,
            steps,
            (batch, *layout.sizes),
            given.block,
            self.potential,
            self.total,
            self.threshold,
            kind,
            reset,
            words,
            torch.get_num_threads(),
        )
        self.recorder.population(self.name, words, layout, steps, self.potential)
        return Events(layout.shaped(words), self.numbers.spike_value, steps, (self.name,))

    def _start(self, value: Value, batch: int, dtype: torch.dtype) -> Layout:
        if self.layout is None:
            self.layout = layout = Layout(value.shape, channels_last(value))
            whole = torch.empty((), dtype=dtype).expand(1, *value.shape)
            self.numbers = numbers = self.site.like(whole)
            self.potential = layout.flat(numbers.initial_potential.expand_as(whole).expand(batch, *value.shape)).clone()
            self.total = torch.zeros_like(self.potential) if isinstance(self.site.neuron, SignedIntegrateFire) else None
            self.threshold = _per_channel(numbers.threshold, layout)
        return self.layout


def _per_channel(quantity: Tensor, layout: Layout) -> Tensor:
    """`[channels]` in the kernels' order, or `[neurons]` where it differs within their channels."""
    channels = layout.per_channel(quantity)
    return layout.flat(quantity.expand(1, *layout.shape))[0] if channels is None else channels


def _kind(neuron: Neuron) -> tuple[int, float]:
    """The number of the dynamics in the kernels, and the value of a hard reset."""
    match neuron:
        case IntegrateFire(reset=Subtract(), fires=AtOrAbove()):
            return 0, 0.0
        case IntegrateFire(reset=Subtract(), fires=Above()):
            return 1, 0.0
        case IntegrateFire(reset=ToValue(value=value), fires=AtOrAbove()):
            return 2, value
        case IntegrateFire(reset=ToValue(value=value), fires=Above()):
            return 3, value
        case SignedIntegrateFire():
            return 4, 0.0
        case IntegrateFire() | FewSpikes() | FittedFewSpikes():
            raise InvalidPlan(f"the event engine does not run {neuron}")
        case _:
            assert_never(neuron)
