"""Mean squared error, for regression."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from respike.metrics.targets import Numbers


@dataclass(frozen=True)
class MeanSquaredError(Numbers):
    """The mean over images and outputs of `(output - target)²`, in the square of the targets' unit."""

    name = "mean squared error"
    larger_is_better = False

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The squared errors, and how many there are, `[2]`."""
        errors = (outputs.double() - targets.double()).square()
        return errors.new_tensor([float(errors.sum()), errors.numel()])

    def value(self, sums: Tensor) -> float:
        """Their quotient."""
        return float(sums[0] / sums[1])
