"""Pixel accuracy, for segmentation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from respike.metrics.targets import Masks


@dataclass(frozen=True)
class PixelAccuracy(Masks):
    """The share of positions whose class is right; without masks, at which the network decides the same.

    Outputs are `[batch, classes, *positions]`, masks `[batch, *positions]`.

    Args:
        ignore: the number in masks that stands for positions that do not count; often 255.
    """

    name = "pixel accuracy"

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How many positions are right, and how many there are, `[2]`."""
        mask, found = self.counted(outputs, targets)
        return torch.tensor([int((found == mask).sum()), len(mask)], dtype=torch.float64)

    def value(self, sums: Tensor) -> float:
        """Their quotient; `InvalidData` where no position counts."""
        if not sums[1]:
            raise self.nothing()
        return float(sums[0] / sums[1])
