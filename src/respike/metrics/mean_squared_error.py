"""Mean squared error, for regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from respike.metrics.targets import check_numbers


@dataclass(frozen=True)
class MeanSquaredError:
    """The mean over images and outputs of `(output - target)²`, in the square of the targets' unit."""

    name = "mean squared error"
    larger_is_better = False

    def check(self, shape: Sequence[int], targets: Tensor | None) -> None:
        """Raises `InvalidData` unless targets have the outputs' shape `[batch, *output]` and are finite."""
        check_numbers(shape, targets)

    def own(self, outputs: Tensor) -> Tensor:
        """The outputs themselves."""
        return outputs

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The squared errors, and how many there are, `[2]`."""
        errors = (outputs.double() - targets.double()).square()
        return errors.new_tensor([float(errors.sum()), errors.numel()])

    def value(self, sums: Tensor) -> float:
        """Their quotient."""
        return float(sums[0] / sums[1])
