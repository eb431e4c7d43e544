"""Numbers of both signs in few spikes, with digits that are fitted to the values: worth anything, not powers of two."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from respike.errors import InvalidOption
from respike.ir import Function, Identity
from respike.neurons.base import Neuron, State
from respike.neurons.few_spikes import MOST_STEPS


@dataclass(frozen=True)
class FittedDigits(Neuron):
    """Sends a value of either sign as K spikes whose worth is fitted: a neuron for edges that no activation stands on.

    With the unit `u`, the site's threshold, and two sequences, T(1 … K) and h(1 … K),

        s = 1 where v ≥ u · T(t);   s = -1 where v < -u · T(t);   v ← v - u · h(t) · s

    It delivers `u · Σ h(t) s(t)`. `SignedDigits` is the case of powers of two, for values that are spread evenly. Most
    values of a network are near zero and a few are large. Digits that are worth more than twice the next one then
    reach the large ones, and fine digits are left for the others.

    Source: sequences that are fitted are Stöckl and Maass's (2021); signed ones for the identity are ours.
    `refine.fit_digits` makes them.

    Args:
        thresholds: T, in units.
        values: h, in units.
    """

    thresholds: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.thresholds) <= MOST_STEPS or len(self.thresholds) != len(self.values):
            raise InvalidOption(
                f"a neuron of fitted digits has 1 to {MOST_STEPS} thresholds and as many values, not "
                f"{len(self.thresholds)} and {len(self.values)}"
            )
        if not all(math.isfinite(number) and number > 0 for number in (*self.thresholds, *self.values)):
            raise InvalidOption("the thresholds and values of fitted digits must be above 0")

    @property
    def signed(self) -> bool:
        """It sends spikes of both signs."""
        return True

    @property
    def worth(self) -> tuple[float, ...]:
        """The sequence h."""
        return self.values

    @property
    def computes(self) -> Function:
        """The identity."""
        return Identity()

    @property
    def domain(self) -> tuple[float, float]:
        """It was fitted, and takes any input."""
        return -math.inf, math.inf

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """The digit of this step, where what is left is large enough."""
        bound, potential = threshold * self.thresholds[state.step], state.potential
        spikes = (potential >= bound).to(potential.dtype) - (potential < -bound).to(potential.dtype)
        return state.after(potential - (threshold * self.values[state.step]) * spikes), spikes

    def smooth(self, units: Tensor) -> Tensor:
        """The identity, clipped on both sides."""
        return units.clamp(-self.largest, self.largest)

    def describe(self) -> str:
        """Signed few-spikes neurons with fitted digits."""
        return "signed few-spikes neurons with fitted digits"
