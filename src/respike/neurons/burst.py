"""Burst neurons: several spikes in one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from respike.errors import InvalidOption
from respike.neurons.base import Neuron, State


@dataclass(frozen=True)
class Burst(Neuron):
    """As many spikes in one step as the potential holds thresholds, and `most` at the most (Li and Zeng 2022).

        s = clip(floor(v / threshold), 0, most);   v ← v - threshold · s

    With `most = 1` it is `IntegrateFire`. More spikes a step send the charge that neurons have in store sooner.

    Args:
        most: the largest number of spikes in one step, 1 at least; the paper takes 5.
    """

    most: int = 5

    def __post_init__(self) -> None:
        if self.most < 1:
            raise InvalidOption(f"a burst neuron sends at least 1 spike a step, got most={self.most}")

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """The whole thresholds that the potential holds, up to `most`, are sent and subtracted."""
        spikes = (state.potential / threshold).floor().clamp(0, self.most)
        return state.after(state.potential - threshold * spikes), spikes

    def describe(self) -> str:
        """Burst neurons."""
        return "burst neurons"

    def in_unit(self, unit: float | Tensor) -> Burst:
        """The same: all its potentials are the site's."""
        return self

    def manifest(self) -> Mapping[str, Any]:
        """How many spikes it sends."""
        return {"kind": "burst", "fires_at": ">=", "reset": "subtract", "most": self.most}
