"""Integrate-and-fire neurons without leak: the dynamics of one population, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import torch
from torch import Tensor


@dataclass(frozen=True)
class Subtract:
    """Reset by subtraction (soft reset): `v ← v - threshold · z`. What exceeds the threshold is kept (FIT Eq. 5)."""


@dataclass(frozen=True)
class ToValue:
    """Hard reset: `v ← value` where the neuron fired. What exceeds the threshold is lost (FIT Eq. 5, Diehl 2015)."""

    value: float = 0.0


@dataclass(frozen=True)
class AtOrAbove:
    """Fires where `v ≥ threshold` (ECC Eq. 4)."""


@dataclass(frozen=True)
class Above:
    """Fires where `v > threshold` (ECC Algorithm 1)."""


Reset: TypeAlias = Subtract | ToValue
RESETS: Mapping[str, Reset] = {"subtract": Subtract(), "zero": ToValue(0.0)}
"""Resets by the name that users write."""
Firing: TypeAlias = AtOrAbove | Above


@dataclass(frozen=True)
class IntegrateFire:
    """`v ← v + current`, a spike where `v` reaches the threshold, then the reset. At most one spike a step."""

    reset: Reset = Subtract()
    fires: Firing = AtOrAbove()


@dataclass(frozen=True)
class SignedIntegrateFire:
    """Reset by subtraction with a tracer: also a spike of -1 where `v < 0` and more spikes were sent than recalled.

    The total never falls below zero. Once the potential has drained, the total is the quantised activation whatever
    the order in which the inputs came.
    """


SteppedNeuron: TypeAlias = IntegrateFire | SignedIntegrateFire
"""Neurons that take a current, and may fire, in every step."""


def step(
    neuron: SteppedNeuron, potential: Tensor, total: Tensor, current: Tensor, threshold: Tensor
) -> tuple[Tensor, Tensor]:
    """One time step of a population: the definition, written to be read.

    `potential`, `total` (the sum of the spikes sent so far) and `current` have the shape of the population,
    `threshold` broadcasts against it. Returns the potential after the reset, and the spikes (0, 1 or -1).
    """
    potential = potential + current
    match neuron:
        case IntegrateFire(reset=reset, fires=fires):
            fired = potential >= threshold if isinstance(fires, AtOrAbove) else potential > threshold
            spikes = fired.to(potential.dtype)
            match reset:
                case Subtract():
                    return potential - threshold * spikes, spikes
                case ToValue(value=value):
                    return torch.where(fired, value, potential), spikes
                case _:
                    assert_never(reset)
        case SignedIntegrateFire():
            up = (potential >= threshold).to(potential.dtype)
            down = ((potential < 0) & (total > 0)).to(potential.dtype)
            return potential - threshold * (up - down), up - down
        case _:
            assert_never(neuron)
