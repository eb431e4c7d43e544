"""Integrate-and-fire neurons that take spikes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from respike.errors import InvalidOption
from respike.neurons.base import Neuron, State, Surrogate, straight_through


@dataclass(frozen=True, eq=False)
class TracedState(State):
    """A state with a tracer.

    Args:
        potential: membrane potentials, `[batch, *shape]`.
        step: the steps that are done.
        total: the sum of what was sent so far, `[batch, *shape]`.
    """

    total: Tensor = field(kw_only=True)

    def sent(self, potential: Tensor, amplitudes: Tensor) -> Self:
        """The state one step later, in which this was sent."""
        return replace(self.after(potential), total=self.total + amplitudes)


@dataclass(frozen=True)
class TracingNeuron(Neuron):
    """A neuron that knows what it has sent: by default one that can take it back."""

    @property
    def signed(self) -> bool:
        """It is."""
        return True

    def start(self, potential: Tensor) -> TracedState:
        """Nothing was sent."""
        return TracedState(potential, total=torch.zeros_like(potential))


@dataclass(frozen=True)
class SignedIntegrateFire(TracingNeuron):
    """Reset by subtraction with a tracer: also a spike of -1 where `v < 0` and more spikes were sent than recalled.

    The total never falls below zero. Once the potential has drained, the total is the quantised activation whatever
    the order in which the inputs came (Wang et al. 2022).

    With `most_total` it never rises above that either (You et al. 2024): it is then the activation of a network whose
    activations have so many levels, in any number of steps.

    Args:
        most_total: the largest sum of spikes, 1 at least; None where there is no bound.
    """

    most_total: int | None = None

    @property
    def most_in_all(self) -> int | None:
        """As given."""
        return self.most_total

    def __post_init__(self) -> None:
        if self.most_total is not None and self.most_total < 1:
            raise InvalidOption(f"a signed neuron sends at least 1 spike, got most_total={self.most_total}")

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """`z = 1` where `v ≥ threshold`, `z = -1` where `v < 0` and the total is positive; `v ← v - threshold · z`."""
        assert isinstance(state, TracedState)
        potential = state.potential
        up = ((potential >= threshold) & self._may_rise(state)).to(potential.dtype)
        down = ((potential < 0) & (state.total > 0)).to(potential.dtype)
        spikes = up - down
        return state.sent(potential - threshold * spikes, spikes), spikes

    def fire_smoothly(self, state: State, threshold: Tensor, surrogate: Surrogate) -> tuple[State, Tensor]:
        """Both kinds of spikes have the surrogate's derivative, each around its own threshold."""
        assert isinstance(state, TracedState)
        potential = state.potential
        up = straight_through((potential >= threshold).to(potential.dtype), surrogate(potential / threshold - 1))
        below = straight_through((potential < 0).to(potential.dtype), surrogate(-potential / threshold))
        up = up * self._may_rise(state).to(potential.dtype)
        spikes = up - below * (state.total > 0).to(potential.dtype)
        return state.sent(potential - threshold * spikes, spikes.detach()), spikes

    def _may_rise(self, state: TracedState) -> Tensor:
        return state.total < (float("inf") if self.most_total is None else self.most_total)

    def describe(self) -> str:
        """Signed integrate-and-fire neurons."""
        return "signed integrate-and-fire neurons"

    def in_unit(self, unit: float | Tensor) -> SignedIntegrateFire:
        """The same: all its potentials are the site's."""
        return self

    def manifest(self) -> Mapping[str, Any]:
        """When it fires and recalls."""
        bound = {} if self.most_total is None else {"most_total": self.most_total}
        return {"kind": "signed_integrate_and_fire", "fires_at": ">=", "recalls_below": 0, "reset": "subtract", **bound}
