"""Canonic few-spikes neurons: a binary number with digits -1, 0 and 1, of which the fewest are not 0."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from respike.errors import InvalidOption
from respike.neurons.base import Neuron, State
from respike.neurons.few_spikes import MOST_STEPS
from respike.neurons.signed import TracedState, TracingNeuron


@dataclass(frozen=True)
class CanonicFewSpikes(TracingNeuron):
    """The values of `FewSpikes`, with spikes of both signs and therefore fewer of them (Gu et al. 2024).

    Step t of K stands for `w = 2^(K - t)` units, and the steps that are left reach `r = floor(2 w / 3)` units in either
    direction if no two of them in a row are used. With the unit `u`, the site's threshold,

        s = 1 where v ≥ u · (r + 1);   s = -1 where v < -u · r and something was sent;   v ← v - u · w · s

    It delivers `u · clip(floor(x / u), 0, 2^K - 1)`, as `FewSpikes(K)` does, and its spikes are the digits of the
    non-adjacent form of that number: 7 is 8 - 1 in place of 4 + 2 + 1. No code of signed powers of two has fewer.
    Numbers above `2^(K + 1) / 3`, whose non-adjacent form has K + 1 digits, get the fewest spikes that K steps can do
    with.

    *Paper*: neurons that double their potential in every step and send spikes of both signs, each layer one step behind
    the layer before it. *As built*: each layer collects its whole input first, as few-spikes neurons do, so that its
    values are exact; thresholds are shifted so that it rounds down, as `FewSpikes` does, and to the nearest with an
    initial potential of half a unit.

    Args:
        steps: K, 1 to 24.
    """

    steps: int

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST_STEPS:
            raise InvalidOption(f"a canonic few-spikes neuron has 1 to {MOST_STEPS} steps, not {self.steps}")

    @property
    def worth(self) -> tuple[float, ...]:
        """Powers of two, the largest first."""
        return tuple(2.0 ** (self.steps - t) for t in range(1, self.steps + 1))

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """The power of two of this step, with the sign that it takes to come within reach of the steps left."""
        assert isinstance(state, TracedState)
        worth, potential = 2 ** (self.steps - 1 - state.step), state.potential
        reach = 2 * worth // 3
        up = (potential >= threshold * (reach + 1)).to(potential.dtype)
        down = ((potential < -threshold * reach) & (state.total > 0)).to(potential.dtype)
        spikes = up - down
        return state.sent(potential - (threshold * worth) * spikes, worth * spikes), spikes

    def describe(self) -> str:
        """Canonic few-spikes neurons."""
        return "canonic few-spikes neurons"

    def finer(self, more: int) -> Neuron | None:
        """With more steps; None beyond 24."""
        return replace(self, steps=self.steps + more) if self.steps + more <= MOST_STEPS else None
