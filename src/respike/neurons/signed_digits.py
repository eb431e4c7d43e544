"""Numbers of both signs in few spikes: digits -1, 0 and 1, of which the fewest are not 0."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from respike.errors import InvalidOption
from respike.ir import Function, Identity
from respike.neurons.base import Neuron, State
from respike.neurons.few_spikes import MOST_STEPS


@dataclass(frozen=True)
class SignedDigits(Neuron):
    """Sends a value of either sign as K signed binary digits: a neuron for edges that no activation stands on.

    It is `CanonicFewSpikes` without its floor at zero. Step t of K stands for `w = 2^(K - t)` units, and the steps
    that are left reach `r = floor(2 w / 3)` units in either direction if no two of them in a row are used. With the
    unit `u`, the site's threshold,

        s = 1 where v ≥ u · (r + 1);   s = -1 where v < -u · r;   v ← v - u · w · s

    It delivers `u · clip(floor(x / u), -(2^K - 1), 2^K - 1)`, and its spikes are the digits of the non-adjacent form of
    that number. An initial potential of half a unit makes it round to the nearest.

    Source: the digits are those of Gu et al. 2024; neurons of both signs on every edge are ours.

    Args:
        steps: K, 1 to 24.
    """

    steps: int

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST_STEPS:
            raise InvalidOption(f"a neuron of signed digits has 1 to {MOST_STEPS} steps, not {self.steps}")

    @property
    def signed(self) -> bool:
        """It sends spikes of both signs."""
        return True

    @property
    def worth(self) -> tuple[float, ...]:
        """Powers of two, the largest first."""
        return tuple(2.0 ** (self.steps - t) for t in range(1, self.steps + 1))

    @property
    def computes(self) -> Function:
        """The identity."""
        return Identity()

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """The power of two of this step, with the sign that it takes to come within reach of the steps left."""
        worth, potential = 2 ** (self.steps - 1 - state.step), state.potential
        reach = 2 * worth // 3
        up = (potential >= threshold * (reach + 1)).to(potential.dtype)
        down = (potential < -threshold * reach).to(potential.dtype)
        spikes = up - down
        return state.after(potential - (threshold * worth) * spikes), spikes

    def smooth(self, units: Tensor) -> Tensor:
        """The identity, clipped on both sides."""
        return units.clamp(-self.largest - 1, self.largest + 1)

    def describe(self) -> str:
        """Signed few-spikes neurons."""
        return "signed few-spikes neurons"

    def finer(self, more: int) -> Neuron | None:
        """With more steps; None beyond 24."""
        return replace(self, steps=self.steps + more) if self.steps + more <= MOST_STEPS else None
