"""Data brought to a network: the order of axes that it takes, and labels that are its outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from respike.data.dataset import Dataset, Pixels
from respike.errors import Argument, InvalidData

_RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
"""What pixel values of trained networks usually are."""
_IMAGES, _FEWEST = 128, 16
_CLEARLY = 0.25
"""By how much more images must be right for another range to be named: more than three standard errors of 128."""


@dataclass(frozen=True, eq=False)
class Changed:
    """Images whose axes are changed when they are asked for."""

    base: Pixels
    change: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.base)

    def __getitem__(self, part: slice, /) -> Tensor:
        """The changed images of a slice."""
        return self.change(self.base[part])


def fitted(dataset: Dataset, shape: tuple[int, ...], outputs: int | None = None) -> Dataset:
    """The same data as a network takes them; what was changed is among the notes.

    Args:
        dataset: the images.
        shape: of one input of the network, without the batch.
        outputs: the network's classes, None to leave the labels unchecked.

    Raises:
        InvalidData: images of another size, or labels that are no classes of the network; it says what to change.
    """
    if outputs is not None and not dataset.targets:
        if dataset.labelled:
            _check_classes(dataset, outputs)
        if not _named(dataset):
            dataset = replace(dataset, classes=tuple(map(str, range(outputs))))
    found = tuple(dataset.pixels[0:1].shape[1:])
    if found == shape:
        return dataset
    if dataset.over_time:
        if found[1:] == shape:
            return dataset
        size = f"{shape[-2]}x{shape[-1]}" if len(shape) > 1 else None
        raise InvalidData(
            f"{dataset.name} gives frames of shape {list(found[1:])} and the network takes {list(shape)}: the sensor's "
            "size is ",
            Argument("size", size),
        )
    change, said = _change(dataset, found, shape)
    return replace(dataset, pixels=Changed(dataset.pixels, change), notes=(*dataset.notes, said))


def _change(dataset: Dataset, found: tuple[int, ...], shape: tuple[int, ...]) -> tuple[Callable[[Tensor], Tensor], str]:
    told = f"{list(found)} became {list(shape)}, as the network takes it"
    if len(found) == 3 and shape == (*found[1:], found[0]):
        return lambda images: images.movedim(1, -1), f"channels moved to the end: {told}"
    if len(found) == 3 and shape == (found[2], *found[:2]):
        return lambda images: images.movedim(-1, 1), f"channels moved to the front: {told}"
    if math.prod(found) == math.prod(shape) and (1 in (len(shape), *found, *shape)):
        return lambda images: images.reshape(len(images), *shape), f"reshaped: {told}"
    size = next((one for one in (shape[-2:], shape[:2]) if len(shape) == 3 and min(one) > 4), None)
    here = f"{dataset.name} gives images of shape {list(found)} and the network takes {list(shape)}: "
    if len(shape) == len(found) == 3 and size and size != found[1:]:
        wanted = size[0] if size[0] == size[1] else f"{size[0]}x{size[1]}"
        raise InvalidData(here, "read image files with ", Argument("size", wanted), ", or resize arrays")
    if len(shape) == len(found) == 3 and found[0] in (1, 3) and shape[0] in (1, 3):
        raise InvalidData(here, "read image files with ", Argument("channels", shape[0]))
    raise InvalidData(here, "bring them to that shape by a function of your own, ", Argument("preprocess"))


def _check_classes(dataset: Dataset, outputs: int) -> None:
    low, high = int(dataset.labels.min()), int(dataset.labels.max())
    if high == outputs and low > 0:
        raise InvalidData(
            f"{dataset.name}: the labels run from {low} to {high}, and the network's {outputs} classes from 0 to "
            f"{outputs - 1}: the first class is ",
            Argument("first_label", low),
        )
    if high >= outputs:
        raise InvalidData(
            f"{dataset.name} has labels up to {high}, and the network has only {outputs} outputs: it was trained on "
            "other classes, or its last layer is not the one that decides"
        )
    if _named(dataset) and len(dataset.classes) != outputs:
        raise InvalidData(
            f"{dataset.name} has {len(dataset.classes)} classes ({', '.join(dataset.classes[:3])}, ...) and the "
            f"network {outputs} outputs, so their order is not known: name all classes in the order of the outputs by ",
            Argument("classes"),
        )


def _named(dataset: Dataset) -> bool:
    """Whether the classes have names of their own, and not their numbers."""
    return bool(dataset.classes) and dataset.classes != tuple(map(str, range(len(dataset.classes))))


def other_range(network: Callable[[Tensor], Tensor], dataset: Dataset) -> str:
    """What the network seems to have been trained on, where that is clearly something else; empty where it is not.

    The first images are given to the network as they are, with values stretched to other usual ranges, and with red and
    blue exchanged; another way is named where with it many more images are right.

    Args:
        network: takes a batch and gives outputs `[images, classes]`.
        dataset: labelled images, as the network gets them.
    """
    part = dataset.take(_IMAGES)
    if not part.labelled or part.targets or part.over_time or len(part) < _FEWEST:
        return ""
    images = part.images
    low, high = float(images.min()), float(images.max())
    if low == high:
        return ""
    ways = {f"values from {a:g} to {b:g}": (images - low) / (high - low) * (b - a) + a for a, b in _RANGES}
    axis = next((axis for axis in (1, -1) if images.ndim == 4 and images.shape[axis] == 3), None)
    if axis is not None:
        ways["blue, green and red in place of red, green and blue"] = images.flip(axis)
    usual = _right(network, images, part.labels)
    best = max(ways, key=lambda way: _right(network, ways[way], part.labels))
    count = _right(network, ways[best], part.labels)
    if count - usual < _CLEARLY * len(part):
        return ""
    return (
        f"the network is right on {usual} of {len(part)} images as they are (values {low:.3g} to {high:.3g}), and on "
        f"{count} with {best}: it seems to have been trained on those"
    )


def _right(network: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> int:
    with torch.no_grad():
        outputs = network(images)
    return int((outputs.argmax(-1) == labels).sum()) if outputs.ndim == 2 else 0
