"""Integrate-and-fire neurons without leak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.errors import InvalidPlan
from respike.neurons.base import Neuron, State, Surrogate, straight_through
from respike.neurons.signed import SignedIntegrateFire
from respike.neurons.thresholds import Above, AtOrAbove, Firing


@dataclass(frozen=True)
class Subtract:
    """Reset by subtraction (soft reset): `v ← v - threshold · z`. What exceeds the threshold is kept (FIT Eq. 5)."""


@dataclass(frozen=True)
class ToValue:
    """Hard reset: `v ← value` where the neuron fired. What exceeds the threshold is lost (FIT Eq. 5, Diehl 2015)."""

    value: float = 0.0


Reset: TypeAlias = Subtract | ToValue
RESETS: Mapping[str, Reset] = {"subtract": Subtract(), "zero": ToValue(0.0)}
"""Resets by the name that users write."""


@dataclass(frozen=True)
class IntegrateFire(Neuron):
    """`v ← v + current`, a spike where `v` reaches the threshold, then the reset. At most one spike a step."""

    reset: Reset = Subtract()
    fires: Firing = AtOrAbove()

    @property
    def lossless(self) -> bool:
        """Whether the reset subtracts."""
        return isinstance(self.reset, Subtract)

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """`z = 1` where `v` reaches the threshold, then the reset."""
        potential = state.potential
        fired = self.fires(potential, threshold)
        spikes = fired.to(potential.dtype)
        match self.reset:
            case Subtract():
                return state.after(potential - threshold * spikes), spikes
            case ToValue(value=value):
                return state.after(torch.where(fired, value, potential)), spikes

    def fire_smoothly(self, state: State, threshold: Tensor, surrogate: Surrogate) -> tuple[State, Tensor]:
        """The spike has the surrogate's derivative; the reset is derived as it is."""
        potential = state.potential
        exact = self.fires(potential, threshold).to(potential.dtype)
        spikes = straight_through(exact, surrogate(potential / threshold - 1))
        match self.reset:
            case Subtract():
                return state.after(potential - threshold * spikes), spikes
            case ToValue(value=value):
                return state.after(potential * (1 - spikes) + value * spikes), spikes

    def describe(self) -> str:
        """Integrate-and-fire neurons."""
        return "integrate-and-fire neurons"

    def check(self, threshold: Tensor) -> None:
        """A reset to a value must not lead to the next spike."""
        if isinstance(self.reset, ToValue) and self.reset.value >= float(threshold.min()):
            raise InvalidPlan(
                f"a reset to {self.reset.value:g} at or above the threshold makes a neuron fire at every step"
            )

    def in_unit(self, unit: float | Tensor) -> IntegrateFire:
        """With the reset value in the unit."""
        if isinstance(self.reset, Subtract) or not self.reset.value:
            return self
        values = (self.reset.value / torch.as_tensor(unit, dtype=torch.float64)).flatten()
        if bool((values != values[0]).any()):
            raise InvalidPlan(
                f"resets to {self.reset.value:g}, and its thresholds differ from channel to channel: "
                "reset to 0, or give the layer one threshold"
            )
        return replace(self, reset=ToValue(float(values[0])))

    def rounded(self) -> IntegrateFire:
        """With the reset value rounded."""
        match self.reset:
            case Subtract():
                return self
            case ToValue(value=value):
                return replace(self, reset=ToValue(float(round(value))))

    def manifest(self) -> Mapping[str, Any]:
        """The rule of firing, and the reset."""
        value = self.reset.value if isinstance(self.reset, ToValue) else None
        return {
            "kind": "integrate_and_fire",
            "fires_at": ">" if isinstance(self.fires, Above) else ">=",
            "reset": "subtract" if value is None else "value",
            "reset_value": value,
        }

    def without_loss(self) -> IntegrateFire:
        """With reset by subtraction."""
        return replace(self, reset=Subtract())

    def recalling(self) -> Neuron | None:
        """The signed neuron, which resets by subtraction too."""
        return SignedIntegrateFire() if self.lossless else None
