"""Multi-threshold neurons: a signed binary number in one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from respike.errors import InvalidOption
from respike.neurons.base import State
from respike.neurons.signed import TracedState, TracingNeuron

MOST_THRESHOLDS = 8
"""Thresholds that a neuron may have: amplitudes then fit into a byte."""


@dataclass(frozen=True)
class MultiThreshold(TracingNeuron):
    """Goes through n thresholds in every step, each half of the one before, and sends a spike for each that is reached.

    With the smallest threshold `u`, the site's, and what was sent so far, S, in units of it:

        for i = n - 1 … 0:   s_i = 1 where v ≥ 2^i u, else 0;   v ← v - 2^i u s_i;      amplitude = Σ 2^i s_i

    and where `v < 0` the same for what must be taken back, at most S. Together this is

        amplitude = clip(floor(v / u), -min(S, 2^n - 1), 2^n - 1);   v ← v - u · amplitude

    In one step it is an n-bit quantiser, and in several the potential keeps what one step could not send. An initial
    potential of half of `u` makes it round to the nearest. With one threshold it is `SignedIntegrateFire`. Every spike
    of a step counts, so an amplitude of 5 = 4 + 1 is two spikes.

    *Paper* (Huang et al. 2024, 2025): positive and negative thresholds `±λ / 2^i`, a spike of the largest that is
    reached. *As built*: all that are reached, in cascade; and no more is taken back than was sent, so that the sum is
    that of a ReLU.

    Args:
        thresholds: n, 1 to 8.
    """

    thresholds: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.thresholds <= MOST_THRESHOLDS:
            raise InvalidOption(f"a neuron has 1 to {MOST_THRESHOLDS} thresholds, got {self.thresholds}")

    @property
    def most(self) -> int:
        """All thresholds together."""
        return (1 << self.thresholds) - 1

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """The whole thresholds that the potential holds, of either sign, are sent and subtracted."""
        assert isinstance(state, TracedState)
        recallable = state.total.clamp(max=self.most)
        amplitudes = (state.potential / threshold).floor().clamp(max=self.most).maximum(-recallable)
        return state.sent(state.potential - threshold * amplitudes, amplitudes), amplitudes

    def spikes_sent(self, amplitudes: Tensor) -> Tensor:
        """The ones of an amplitude as a binary number."""
        whole = amplitudes.abs().to(torch.int32)
        return torch.stack([whole >> place & 1 for place in range(self.thresholds)]).sum(0)

    def describe(self) -> str:
        """Multi-threshold neurons."""
        return "multi-threshold neurons"

    def in_unit(self, unit: float | Tensor) -> MultiThreshold:
        """The same: all its potentials are the site's."""
        return self

    def manifest(self) -> Mapping[str, Any]:
        """How many thresholds it has."""
        return {"kind": "multi_threshold", "fires_at": ">=", "reset": "subtract", "thresholds": self.thresholds}
