"""Few-spikes neurons of any function, with fitted sequences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from respike.ir import Function, apply_function
from respike.neurons.few_spikes import Coefficients, SequenceNeuron


@dataclass(frozen=True)
class FittedFewSpikes(SequenceNeuron):
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
        self.coefficients  # noqa: B018  # checks the numbers of steps

    @cached_property
    def coefficients(self) -> Coefficients:
        """The sequences T, h and d."""
        return Coefficients(self.thresholds, self.resets, self.values)

    @property
    def steps(self) -> int:
        """K."""
        return len(self.thresholds)

    @property
    def computes(self) -> Function:
        """The function that it was fitted to."""
        return self.function

    @property
    def domain(self) -> tuple[float, float]:
        """The range of the fit."""
        return self.low, self.high

    def smooth(self, units: Tensor) -> Tensor:
        """The function itself."""
        return apply_function(self.function, units)
