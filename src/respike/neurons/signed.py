"""Integrate-and-fire neurons that take spikes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from respike.neurons.base import Neuron, State, Surrogate, straight_through


@dataclass(frozen=True, eq=False)
class TracedState(State):
    """A state with a tracer.

    Args:
        potential: membrane potentials, `[batch, *shape]`.
        step: the steps that are done.
        total: the sum of the spikes sent so far, `[batch, *shape]`.
    """

    total: Tensor = field(kw_only=True)

    def sent(self, potential: Tensor, spikes: Tensor) -> Self:
        """The state one step later, in which these spikes were sent."""
        return replace(self.after(potential), total=self.total + spikes)


@dataclass(frozen=True)
class SignedIntegrateFire(Neuron):
    """Reset by subtraction with a tracer: also a spike of -1 where `v < 0` and more spikes were sent than recalled.

    The total never falls below zero. Once the potential has drained, the total is the quantised activation whatever
    the order in which the inputs came.
    """

    @property
    def signed(self) -> bool:
        """It is."""
        return True

    def start(self, potential: Tensor) -> TracedState:
        """Nothing was sent."""
        return TracedState(potential, total=torch.zeros_like(potential))

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """`z = 1` where `v ≥ threshold`, `z = -1` where `v < 0` and the total is positive; `v ← v - threshold · z`."""
        assert isinstance(state, TracedState)
        potential = state.potential
        up = (potential >= threshold).to(potential.dtype)
        down = ((potential < 0) & (state.total > 0)).to(potential.dtype)
        spikes = up - down
        return state.sent(potential - threshold * spikes, spikes), spikes

    def fire_smoothly(self, state: State, threshold: Tensor, surrogate: Surrogate) -> tuple[State, Tensor]:
        """Both kinds of spikes have the surrogate's derivative, each around its own threshold."""
        assert isinstance(state, TracedState)
        potential = state.potential
        up = straight_through((potential >= threshold).to(potential.dtype), surrogate(potential / threshold - 1))
        below = straight_through((potential < 0).to(potential.dtype), surrogate(-potential / threshold))
        spikes = up - below * (state.total > 0).to(potential.dtype)
        return state.sent(potential - threshold * spikes, spikes.detach()), spikes

    def describe(self) -> str:
        """Signed integrate-and-fire neurons."""
        return "signed integrate-and-fire neurons"

    def in_unit(self, unit: float | Tensor) -> SignedIntegrateFire:
        """The same: all its potentials are the site's."""
        return self

    def manifest(self) -> Mapping[str, Any]:
        """When it fires and recalls."""
        return {"kind": "signed_integrate_and_fire", "fires_at": ">=", "recalls_below": 0, "reset": "subtract"}
