"""Few-spikes (FS) neurons: the value of an activation in K steps of one neuron, spikes weighted by their step.

A population first collects its whole input `x`, then fires for K steps:

    v = x
    t = 1 … K:  z = v ≥ theta · T(t);   v ← v - theta · h(t) · z;   delivered ← delivered + value · d(t) · z

with the site's threshold `theta` and spike value `value`, and three sequences of the neuron: thresholds T, resets h,
values d (FS paper, Eq. 1 to 3, and its Discussion for functions other than ReLU).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from respike.errors import InvalidOption
from respike.neurons.base import Neuron, State
from respike.neurons.thresholds import AtOrAbove, Firing

MOST_STEPS = 24
"""Steps that a few-spikes neuron may have: float32 tells no more values apart."""


@dataclass(frozen=True)
class Coefficients:
    """The three sequences of a few-spikes neuron, one number for each of its steps.

    Args:
        thresholds: T, the potential at which the neuron fires.
        resets: h, what a spike takes off the potential.
        values: d, what a spike delivers.
    """

    thresholds: tuple[float, ...]
    resets: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.thresholds) <= MOST_STEPS:
            raise InvalidOption(f"a few-spikes neuron has 1 to {MOST_STEPS} steps, not {len(self.thresholds)}")
        if not len(self.thresholds) == len(self.resets) == len(self.values):
            raise InvalidOption("a fitted few-spikes neuron needs as many thresholds as resets and values")


@dataclass(frozen=True)
class SequenceNeuron(Neuron):
    """A neuron that fires by three sequences: what all few-spikes neurons share."""

    @property
    @abstractmethod
    def coefficients(self) -> Coefficients:
        """The sequences T, h and d."""

    @property
    def worth(self) -> tuple[float, ...]:
        """The sequence d."""
        return self.coefficients.values

    @property
    def firing(self) -> Firing:
        """What happens at the threshold."""
        return AtOrAbove()

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """Step t of the window: `z = v ≥ theta · T(t)`, then `v ← v - theta · h(t) · z`."""
        numbers, t = self.coefficients, state.step
        spikes = self.firing(state.potential, threshold * numbers.thresholds[t]).to(state.potential.dtype)
        return state.after(state.potential - (threshold * numbers.resets[t]) * spikes), spikes

    def describe(self) -> str:
        """Few-spikes neurons."""
        return "few-spikes neurons"


@dataclass(frozen=True)
class FewSpikes(SequenceNeuron):
    """The FS neuron of a ReLU: `T(t) = h(t) = d(t) = 2^(K - t)`; the site's threshold is the unit, `alpha · 2^-K`.

    It delivers `unit · clip(floor(x / unit), 0, 2^K - 1)` exactly, with as many spikes as that integer has ones. An
    initial potential of half a unit makes it round to the nearest in place of down.

    *As printed*, it fires at `v ≥ T` (Eq. 2); the published program fires at `v > T`, which leaves every positive
    multiple of the unit one unit low. *As built*: `≥`, and `fires=Above()` for the program's way.

    Backward, `smooth` is the clipped identity from 0 to `2^K`. Step by step, the surrogates of K spikes whose
    thresholds halve would multiply up to noise; but where the potential rises by one unit, so does the value.

    Args:
        steps: K, 1 to 24.
        fires: what happens at the threshold.
    """

    steps: int
    fires: Firing = AtOrAbove()

    def __post_init__(self) -> None:
        self.coefficients  # noqa: B018  # checks the number of steps

    @cached_property
    def coefficients(self) -> Coefficients:
        """The sequences T, h and d."""
        powers = tuple(2.0 ** (self.steps - t) for t in range(1, self.steps + 1))
        return Coefficients(powers, powers, powers)

    @property
    def firing(self) -> Firing:
        """As given."""
        return self.fires

    def finer(self, more: int) -> FewSpikes | None:
        """With more steps; None beyond 24."""
        return replace(self, steps=self.steps + more) if self.steps + more <= MOST_STEPS else None
