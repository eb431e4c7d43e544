"""What targets of metrics look like: numbers of the outputs' shape (`Numbers`), or masks of classes (`Masks`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.errors import InvalidData

_WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Numbers:
    """What the metrics of numbers share: outputs and targets `[batch, *output]`."""

    def check(self, shape: Sequence[int], targets: Tensor | None) -> None:
        """Raises `InvalidData` unless targets have the outputs' shape `[batch, *output]` and are real and finite."""
        if targets is None:
            return
        if list(targets.shape) != list(shape):
            one = list(targets.shape) == list(shape[:1]) and list(shape[1:]) == [1]
            fix = (
                "use targets.unsqueeze(1)" if one else "give the images alone to compare with the network's own outputs"
            )
            raise InvalidData(f"targets must have the outputs' shape {list(shape)}, got {list(targets.shape)}: {fix}")
        if targets.is_complex() or not bool(torch.isfinite(targets).all()):
            raise InvalidData("targets must be real and finite: leave out the images whose targets are not")

    def own(self, outputs: Tensor) -> Tensor:
        """The outputs themselves."""
        return outputs


def check_masks(shape: Sequence[int], targets: Tensor | None, ignore: int | None) -> None:
    """Raises `InvalidData` unless outputs are `[batch, classes, *positions]`, and targets a class at each position.

    Args:
        shape: of the outputs.
        targets: `[batch, *positions]`; None where there are none.
        ignore: the number that stands for positions that do not count; None where all do.
    """
    if len(shape) < 3 or shape[1] < 2:
        raise InvalidData(
            f"masks need outputs [batch, classes, *positions] with at least 2 classes, the network gives "
            f"[batch, {', '.join(map(str, shape[1:]))}]: use another metric, or measure() for classes of whole images"
        )
    if targets is None:
        return
    expected, classes = [shape[0], *shape[2:]], shape[1]
    if targets.dtype not in _WHOLE or list(targets.shape) != expected:
        raise InvalidData(f"masks must be integers {expected}, got {targets.dtype} {list(targets.shape)}")
    wrong = (targets < 0) | (targets >= classes)
    if ignore is not None:
        wrong &= targets != ignore
    if bool(wrong.any()):
        found = int(targets[wrong][0])
        raise InvalidData(
            f"masks must hold classes from 0 to {classes - 1}, got {found}: if it marks positions that do not count, "
            f"give the metric ignore={found}"
        )


@dataclass(frozen=True)
class Masks:
    """What the metrics of masks share: outputs `[batch, classes, *positions]`, and masks `[batch, *positions]`.

    Args:
        ignore: the number in masks that stands for positions that do not count; often 255.
    """

    ignore: int | None = None

    larger_is_better = True

    def check(self, shape: Sequence[int], targets: Tensor | None) -> None:
        """Raises `InvalidData` unless outputs have classes at positions, and masks fit them."""
        check_masks(shape, targets, self.ignore)

    def own(self, outputs: Tensor) -> Tensor:
        """The class with the largest output at each position, `[batch, *positions]`."""
        return outputs.argmax(1)

    def counted(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The classes of the masks and those decided, at the positions that count, `[counted]` each."""
        mask, found = targets.flatten().long(), self.own(outputs).flatten()
        if self.ignore is None:
            return mask, found
        kept = mask != self.ignore
        return mask[kept], found[kept]

    def nothing(self) -> InvalidData:
        """The error where no position counts."""
        return InvalidData(f"every position of the masks is {self.ignore}, which is ignored: give other masks")
