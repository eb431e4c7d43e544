"""Few-spikes (FS) neurons: the value of an activation in K steps of one neuron, spikes weighted by their step.

A population first collects its whole input `x`, then fires for K steps:

    v = x
    t = 1 … K:  z = v ≥ theta · T(t);   v ← v - theta · h(t) · z;   delivered ← delivered + value · d(t) · z

with the site's threshold `theta` and spike value `value`, and three sequences of the neuron: thresholds T, resets h,
values d (FS paper, Eq. 1 to 3, and its Discussion for functions other than ReLU).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from respike.errors import InvalidOption
from respike.ir import Function
from respike.neurons.integrate_fire import Above, AtOrAbove, Firing

MOST_STEPS = 24
"""Steps that a few-spikes neuron may have: float32 tells no more values apart."""


@dataclass(frozen=True)
class FewSpikes:
    """The FS neuron of a ReLU: `T(t) = h(t) = d(t) = 2^(K - t)`; the site's threshold is the unit, `alpha · 2^-K`.

    It delivers `unit · clip(floor(x / unit), 0, 2^K - 1)` exactly, with as many spikes as that integer has ones. An
    initial potential of half a unit makes it round to the nearest in place of down.

    *As printed*, it fires at `v ≥ T` (Eq. 2); the published program fires at `v > T`, which leaves every positive
    multiple of the unit one unit low. *As built*: `≥`, and `fires=Above()` for the program's way.

    Args:
        steps: K, 1 to 24.
        fires: what happens at the threshold.
    """

    steps: int
    fires: Firing = AtOrAbove()

    def __post_init__(self) -> None:
        _check_steps(self.steps)

    @property
    def coefficients(self) -> Coefficients:
        """The sequences T, h and d."""
        powers = tuple(2.0 ** (self.steps - t) for t in range(1, self.steps + 1))
        return Coefficients(powers, powers, powers)

    @property
    def largest(self) -> float:
        """The largest value that it delivers, in spike values."""
        return 2.0**self.steps - 1


@dataclass(frozen=True)
class FittedFewSpikes:
    """The FS neuron of another function, with fitted sequences T, h and d of K numbers each.

    The sequences are in the units of the function's input (T, h) and output (d); the site's threshold and spike value
    are 1. `respike.fitting.fit_activation` makes them.

    Args:
        function: what it approximates.
        thresholds: T(1 … K).
        resets: h(1 … K).
        values: d(1 … K).
        low: lower end of the inputs that it was fitted to.
        high: upper end.
        error: mean squared error of the fit.
    """

    function: Function
    thresholds: tuple[float, ...]
    resets: tuple[float, ...]
    values: tuple[float, ...]
    low: float
    high: float
    error: float

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        if not len(self.thresholds) == len(self.resets) == len(self.values):
            raise InvalidOption("a fitted few-spikes neuron needs as many thresholds as resets and values")

    @property
    def steps(self) -> int:
        """K."""
        return len(self.thresholds)

    @property
    def fires(self) -> Firing:
        """At the threshold or above it."""
        return AtOrAbove()

    @property
    def coefficients(self) -> Coefficients:
        """The sequences T, h and d."""
        return Coefficients(self.thresholds, self.resets, self.values)


@dataclass(frozen=True)
class Coefficients:
    """The three sequences of a few-spikes neuron, one number for each of its steps."""

    thresholds: tuple[float, ...]
    resets: tuple[float, ...]
    values: tuple[float, ...]


LayerwiseNeuron: TypeAlias = FewSpikes | FittedFewSpikes


def fire_few(neuron: LayerwiseNeuron, potential: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The K steps of a population that has collected its input: the definition, written to be read.

    `potential` has the shape of the population, `threshold` broadcasts against it. Returns the potential after the last
    step, the spikes `[K, *shape]` (0 or 1), and what they deliver, `[*shape]` in spike values.
    """
    numbers = neuron.coefficients
    spikes = potential.new_empty(neuron.steps, *potential.shape)
    delivered = potential.new_zeros(potential.shape)
    for fired, bound, reset, value in zip(spikes, numbers.thresholds, numbers.resets, numbers.values, strict=True):
        above = potential > threshold * bound if isinstance(neuron.fires, Above) else potential >= threshold * bound
        fired.copy_(above)
        potential = potential - (threshold * reset) * fired
        delivered = delivered + value * fired
    return potential, spikes, delivered


def _check_steps(steps: int) -> None:
    if not 1 <= steps <= MOST_STEPS:
        raise InvalidOption(f"a few-spikes neuron has 1 to {MOST_STEPS} steps, not {steps}")
