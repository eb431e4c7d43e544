"""Mean intersection over union, for segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.errors import InvalidData
from respike.metrics.targets import check_masks, decided


@dataclass(frozen=True)
class MeanIoU:
    """Mean intersection over union of masks, over the classes that occur.

        IoU_c = |decided c and mask c| / |decided c or mask c|

    counted over all images together, as PASCAL VOC and Cityscapes do; without masks, against what the network decides.
    Outputs are `[batch, classes, *positions]`, masks `[batch, *positions]`.

    Args:
        ignore: the number in masks that stands for positions that do not count; often 255.
    """

    ignore: int | None = None

    name = "mean IoU"
    larger_is_better = True

    def check(self, shape: Sequence[int], targets: Tensor | None) -> None:
        """Raises `InvalidData` unless outputs have classes at positions, and masks fit them."""
        check_masks(shape, targets, self.ignore)

    def own(self, outputs: Tensor) -> Tensor:
        """The class with the largest output at each position."""
        return decided(outputs)

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The confusion matrix `[classes, classes]`: positions by class of the mask and class decided."""
        classes, mask, found = outputs.shape[1], targets.flatten().long(), decided(outputs).flatten()
        if self.ignore is not None:
            counted = mask != self.ignore
            mask, found = mask[counted], found[counted]
        return torch.bincount(mask * classes + found, minlength=classes**2).reshape(classes, classes).double()

    def value(self, sums: Tensor) -> float:
        """The mean over the classes that are in masks or decided; `InvalidData` where no position counts."""
        both = sums.diagonal()
        either = sums.sum(0) + sums.sum(1) - both
        if not either.any():
            raise InvalidData(f"every position of the masks is {self.ignore}, which is ignored: give other masks")
        return float((both / either)[either > 0].mean())
