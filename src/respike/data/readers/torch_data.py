"""What a program has in its hands: tensors, a torch `Dataset` or `DataLoader`, any iterable of images and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from respike.data.preparation import Prepared, channels_first, tensor_of
from respike.data.readers.reader import Raw, Reading, labels_of, of_arrays
from respike.errors import InvalidData

_TARGETS = ("targets", "labels")
"""Attributes in which data sets keep all their labels (torchvision's and others)."""


@dataclass(frozen=True, eq=False)
class Samples:
    """The images of a data set that is read by numbers, one sample at a time, when they are asked for."""

    dataset: Any

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.dataset)

    def __getitem__(self, part: slice, /) -> Tensor:
        """The images of a slice; raises InvalidData, naming the sample, where one has another shape."""
        images = [tensor_of(_image_of(self.dataset[number])) for number in range(*part.indices(len(self)))]
        return _stacked(images, part.indices(len(self))[0])


def of_object(source: Any, name: str, reading: Reading) -> Raw:
    """The images and labels of an object.

    Args:
        source: images; images and labels; a torch `Dataset`; a `DataLoader`; an iterable of samples or of batches.
        name: what to call it in messages.
        reading: how to read.

    Raises:
        InvalidData: an object that gives no images, or images of several shapes.
    """
    if isinstance(source, Tensor | np.ndarray):
        return of_arrays(source, None, name, reading)
    if (
        isinstance(source, tuple | list)
        and len(source) == 2
        and all(isinstance(x, Tensor | np.ndarray) for x in source)
    ):
        return of_arrays(source[0], source[1], name, reading)
    by_number = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    targets = next((getattr(source, one) for one in _TARGETS if hasattr(source, one)), None)
    if by_number and targets is not None and len(targets) == len(source):
        return _prepared(Samples(source), labels_of(targets, name, reading), reading)
    if not isinstance(source, Iterable) and not by_number:
        raise InvalidData(
            f"{name} is a {type(source).__name__}: give images and labels as tensors, a torch Dataset or a DataLoader"
        )
    return _gathered(source, name, reading)


def _gathered(source: Any, name: str, reading: Reading) -> Raw:
    """The samples or batches of an iterable, all read once and kept."""
    images: list[Tensor] = []
    labels: list[Tensor] = []
    batched = isinstance(source, DataLoader)
    for sample in _each(source):
        image = tensor_of(_image_of(sample))
        label = sample[1] if isinstance(sample, tuple | list) and len(sample) > 1 else None
        if label is not None:
            batched = batched or (isinstance(label, Tensor) and label.ndim > 0 and len(label) == len(image))
            labels.append(torch.as_tensor(label))
        images.append(image)
    if not images:
        raise InvalidData(f"{name} gave no images")
    if labels and len(labels) != len(images):
        raise InvalidData(f"{name} gave {len(images)} samples, of which only {len(labels)} have labels")
    try:
        found = (torch.cat if batched else torch.stack)(labels) if labels else None
    except RuntimeError as error:
        raise InvalidData(f"{name} gave labels of several shapes: {error}") from error
    pixels = _stacked([one for batch in images for one in batch] if batched else images, 0)
    return of_arrays(pixels, found, name, reading)


def _each(source: Any) -> Iterator[Any]:
    """The samples. A torch `Dataset` has no end of its own for `iter`: it has a length."""
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return (source[number] for number in range(len(source)))
    return iter(source)


def _prepared(samples: Samples, labels: Tensor, reading: Reading) -> Raw:
    preparation = reading.preparation
    if preparation.preprocess is not None:
        return Raw(Prepared(samples, preparation), labels)
    first = samples[0:1]
    if tuple(channels_first(first, preparation.layout)[0].shape) == tuple(first.shape):
        return Raw(Prepared(samples, preparation), labels)
    return of_arrays(samples[:], labels, "the data set", reading)


def _image_of(sample: Any) -> Any:
    return sample[0] if isinstance(sample, tuple | list) else sample


def _stacked(images: list[Tensor], first: int) -> Tensor:
    wanted = images[0].shape if images else torch.Size()
    odd = next((number for number, image in enumerate(images) if image.shape != wanted), None)
    if odd is not None:
        raise InvalidData(
            f"image {first + odd} has the shape {list(images[odd].shape)} and image {first} {list(wanted)}: all images "
            "must have one shape and one order of axes; a transform in the data set makes them alike"
        )
    return torch.stack(images) if images else torch.empty(0)
