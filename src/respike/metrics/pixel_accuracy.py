"""Pixel accuracy, for segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.errors import InvalidData
from respike.metrics.targets import check_masks, decided


@dataclass(frozen=True)
class PixelAccuracy:
    """The share of positions whose class is right; without masks, at which the network decides the same.

    Outputs are `[batch, classes, *positions]`, masks `[batch, *positions]`.

    Args:
        ignore: the number in masks that stands for positions that do not count; often 255.
    """

    ignore: int | None = None

    name = "pixel accuracy"
    larger_is_better = True

    def check(self, shape: Sequence[int], targets: Tensor | None) -> None:
        """Raises `InvalidData` unless outputs have classes at positions, and masks fit them."""
        check_masks(shape, targets, self.ignore)

    def own(self, outputs: Tensor) -> Tensor:
        """The class with the largest output at each position."""
        return decided(outputs)

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How many positions are right, and how many there are, `[2]`."""
        counted = torch.ones_like(targets, dtype=torch.bool) if self.ignore is None else targets != self.ignore
        right = (decided(outputs) == targets) & counted
        return torch.stack((right.sum(), counted.sum())).double()

    def value(self, sums: Tensor) -> float:
        """Their quotient; `InvalidData` where no position counts."""
        if not sums[1]:
            raise InvalidData(f"every position of the masks is {self.ignore}, which is ignored: give other masks")
        return float(sums[0] / sums[1])
