"""A data set cut into the batches that are simulated: numbered, and read only by whoever simulates them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from respike.data import Dataset
from respike.errors import InvalidData
from respike.spiking import SpikingNetwork

Labelled: TypeAlias = Dataset | Tensor | tuple[Tensor, Tensor] | Iterable[Sequence[Tensor]]
"""A data set, images and labels as two tensors, or an iterable of such batches (a `DataLoader`); images alone, as a
tensor or as a data set, are measured against what the network itself decides."""

BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class Batch:
    """At most `BATCH_SIZE` images with their labels.

    Args:
        number: of the batch, from 0.
        first_image: the number of its first image.
        images: `[images, *shape]`.
        labels: `[images]`; None where there are none.
    """

    number: int
    first_image: int
    images: Tensor
    labels: Tensor | None

    @property
    def stop(self) -> int:
        """The number of the image behind the last one."""
        return self.first_image + len(self.images)


def batches(
    dataset: Labelled,
    spiking: SpikingNetwork,
    limit: int | None,
    claims: Iterator[int],
    check: Callable[[Tensor, int], None] | None = None,
) -> Iterator[Batch]:
    """The batches whose numbers are claimed, in order; the next number is asked for when a batch is done.

    Args:
        dataset: what to cut into batches.
        spiking: the network that the images are for.
        limit: the number of images at most.
        claims: the numbers of the batches that are wanted, rising.
        check: raises `InvalidData` for labels that do not fit so many images; unless given, labels are classes.

    Raises:
        InvalidData: images or labels that do not fit the network.
    """
    left = limit if limit is not None else math.inf
    first_image = 0
    wanted = next(claims)
    for number, (count, read) in enumerate(_pieces(dataset)):
        take = int(min(left, count))
        if not take:
            return
        if number == wanted:
            images, labels = read()
            _check(spiking, images, labels, first_image, check or spiking.network.check_labels)
            yield Batch(number, first_image, images[:take], None if labels is None else labels[:take])
            wanted = next(claims)
        left -= take
        first_image += take


def size(dataset: Labelled, limit: int | None) -> int | None:
    """How many images will be read, at most `limit`; None where neither the data set nor a limit says so."""
    match dataset:
        case Dataset() | Tensor() | (Tensor(), Tensor()):
            images = len(dataset if isinstance(dataset, Dataset | Tensor) else dataset[0])
            return images if limit is None else min(limit, images)
        case _:
            return limit


def _check(
    spiking: SpikingNetwork,
    images: Tensor,
    labels: Tensor | None,
    first_image: int,
    check: Callable[[Tensor, int], None],
) -> None:
    try:
        spiking.plan.inputs(spiking.network, images)
        if labels is not None:
            check(labels, len(images))
    except InvalidData as error:
        raise InvalidData(f"images from {first_image} on: {error}") from error


_TAKEN = "give images and labels as two tensors, images alone, a Dataset, or batches (images, labels) of tensors"
_Read: TypeAlias = "Callable[[], tuple[Tensor, Tensor | None]]"


def _pieces(dataset: Labelled) -> Iterator[tuple[int, _Read]]:
    """How many images each batch has, and how to read it. A `Dataset` decodes no image that nobody reads."""
    match dataset:
        case Dataset():
            for start in range(0, len(dataset), BATCH_SIZE):
                part = slice(start, min(start + BATCH_SIZE, len(dataset)))
                yield part.stop - start, partial(_of_dataset, dataset, part)
        case Tensor():
            for images in torch.split(dataset, BATCH_SIZE):
                yield len(images), partial(_alone, images)
        case (Tensor() as images, Tensor() as labels):
            yield from _of_tensors(images, labels)
        case _ if isinstance(dataset, str | Mapping) or not isinstance(dataset, Iterable):
            raise InvalidData(f"{_TAKEN}; got {type(dataset).__name__}")
        case _:
            for batch in dataset:
                if not isinstance(batch, tuple | list) or len(batch) != 2 or not isinstance(batch[0], Tensor):
                    raise InvalidData(f"{_TAKEN}; got a batch that is a {type(batch).__name__}")
                yield from _of_tensors(*batch)


def _of_dataset(dataset: Dataset, part: slice) -> tuple[Tensor, Tensor | None]:
    labels = dataset.labels[part]
    images = replace(dataset, pixels=dataset.pixels[part], labels=labels).images
    return images, labels if dataset.labelled else None


def _alone(images: Tensor) -> tuple[Tensor, None]:
    return images, None


def _of_tensors(images: Tensor, labels: Tensor) -> Iterator[tuple[int, _Read]]:
    """Batches of the engine's size, whatever the size of the data set's own."""
    if len(images) != len(labels):
        raise InvalidData(f"there must be one label for each image, got {len(labels)} for {len(images)} images")
    for start in range(0, len(images), BATCH_SIZE):
        part = images[start : start + BATCH_SIZE], labels[start : start + BATCH_SIZE]
        yield len(part[0]), partial(tuple[Tensor, Tensor | None], part)
