"""Coarse-to-fine neurons: signed spikes whose worth falls from step to step."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from respike.errors import InvalidOption
from respike.neurons.base import State
from respike.neurons.signed import TracedState, TracingNeuron


@dataclass(frozen=True)
class CoarseToFine(TracingNeuron):
    """Sends at most one spike in a step, of either sign; what it is worth is the same for all neurons, and falls.

    In step t the worth is `w = weights[t]`, and the last one in all steps behind. With the unit `u`, the site's
    threshold, and what was sent so far, S, in units of it:

        s = w where v ≥ u (w + 1) / 2;   s = -w where v < -u (w - 1) / 2 and S ≥ w;   v ← v - u s

    and no spike that would lift S above `most_total`.

    With an initial potential of half a unit this is the spike that brings S nearest to the input so far. So neurons
    that have the whole input from the first step send its large part first and then correct it, and corrections of the
    layers before reach them while spikes are still worth as much. With `weights=(1,)` it is `SignedIntegrateFire`.

    A spike carries no number, as the clock says what it is worth, so an amplitude is one event. Ours; weights that fall
    with time are those of few spikes (Stöckl and Maass 2021), and neurons that take back those of Wang et al. 2022.

    Args:
        weights: whole numbers of 1 at least, which do not rise.
        most_total: the largest sum of what is sent; None where there is no bound.
    """

    weights: tuple[int, ...] = (8, 4, 2, 1)
    most_total: int | None = None

    def __post_init__(self) -> None:
        falling = all(before >= after for before, after in zip(self.weights, self.weights[1:], strict=False))
        if not self.weights or min(self.weights) < 1 or not falling:
            raise InvalidOption(
                f"coarse-to-fine neurons have weights of 1 or more that do not rise, such as (4, 2, 1), "
                f"not {self.weights}"
            )
        if self.most_total is not None and self.most_total < 1:
            raise InvalidOption(f"a coarse-to-fine neuron sends 1 at least in all, got most_total={self.most_total}")

    @property
    def most(self) -> int:
        """The first weight."""
        return self.weights[0]

    def most_in(self, steps: int) -> float:
        """The weights of so many steps together."""
        return float(sum(self.weights[min(step, len(self.weights) - 1)] for step in range(steps)))

    @property
    def most_in_all(self) -> int | None:
        """As given."""
        return self.most_total

    @property
    def graded(self) -> bool:
        """An amplitude is one event."""
        return True

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """The weight of this step, with the sign that brings what was sent nearer to the input so far."""
        assert isinstance(state, TracedState)
        weight, potential = self.weights[min(state.step, len(self.weights) - 1)], state.potential
        highest = float("inf") if self.most_total is None else float(self.most_total)
        rises = (potential >= threshold * ((weight + 1) / 2)) & (state.total + weight <= highest)
        falls = (potential < threshold * ((1 - weight) / 2)) & (state.total >= weight)
        up, down = rises.to(potential.dtype), falls.to(potential.dtype)
        amplitudes = weight * (up - down)
        return state.sent(potential - threshold * amplitudes, amplitudes), amplitudes

    def describe(self) -> str:
        """Coarse-to-fine neurons."""
        return "coarse-to-fine neurons"
