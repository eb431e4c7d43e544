"""Mean intersection over union, for segmentation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from respike.metrics.targets import Masks


@dataclass(frozen=True)
class MeanIoU(Masks):
    """Mean intersection over union of masks, over the classes that occur.

        IoU_c = |decided c and mask c| / |decided c or mask c|

    counted over all images together, as PASCAL VOC and Cityscapes do; without masks, against what the network decides.
    Outputs are `[batch, classes, *positions]`, masks `[batch, *positions]`.

    Args:
        ignore: the number in masks that stands for positions that do not count; often 255.
    """

    name = "mean IoU"

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The confusion matrix `[classes, classes]`: positions by class of the mask and class decided."""
        classes, (mask, found) = outputs.shape[1], self.counted(outputs, targets)
        return torch.bincount(mask * classes + found, minlength=classes**2).reshape(classes, classes).double()

    def value(self, sums: Tensor) -> float:
        """The mean over the classes that are in masks or decided; `InvalidData` where no position counts."""
        both = sums.diagonal()
        either = sums.sum(0) + sums.sum(1) - both
        if not either.any():
            raise self.nothing()
        return float((both / either)[either > 0].mean())
