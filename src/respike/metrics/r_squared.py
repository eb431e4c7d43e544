"""R², the coefficient of determination, for regression."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from respike.errors import InvalidData
from respike.metrics.targets import Numbers

_ROUNDING = 1e-12


@dataclass(frozen=True)
class RSquared(Numbers):
    """The share of the targets' variance that the outputs explain, on average over the outputs.

        R² = 1 - Σ (y - f)² / Σ (y - mean(y))²

    for each output f with targets y over all images; 1 is perfect, and always giving the mean has 0.
    """

    name = "R²"
    larger_is_better = True

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of each output the squared errors, the targets, their squares, and the images, `[4, outputs]`."""
        wanted = targets.double().flatten(1)
        errors = (outputs.double().flatten(1) - wanted).square()
        return torch.stack((errors.sum(0), wanted.sum(0), wanted.square().sum(0), torch.ones_like(wanted).sum(0)))

    def value(self, sums: Tensor) -> float:
        """The mean over the outputs; `InvalidData` where the targets of one do not vary."""
        errors, total, squares, images = sums
        variation = squares - total.square() / images
        constant = (variation <= _ROUNDING * squares).nonzero().flatten().tolist()
        if constant:
            raise InvalidData(
                f"R² has no value where targets do not vary, as those of output {constant[0]} (from 0): "
                "use MeanSquaredError()"
            )
        return float((1 - errors / variation).mean())
