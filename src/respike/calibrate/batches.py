"""Calibration data: an iterable of batches, looked at one batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.errors import InvalidData, InvalidNetwork
from respike.ir import Network

Batch: TypeAlias = Tensor | Sequence[Tensor]
Calibration: TypeAlias = Tensor | Iterable[Batch]
"""Images as one tensor `[images, *shape]`, or any iterable of batches that can be iterated again (a data set, a
`DataLoader`, a list). A batch is a tensor of images, or a sequence whose first element is that (labels are ignored)."""

BATCH_SIZE = 128


def image_batches(network: Network, calibration: Calibration) -> Iterator[Tensor]:
    """The images of a calibration set in batches, each checked.

    Raises `InvalidData` where the set is empty, a batch has the wrong shape, or a value is NaN or infinite.
    """
    given: Iterable[Batch] = _split(calibration) if isinstance(calibration, Tensor) else calibration
    if not isinstance(given, Iterable):
        raise InvalidData(
            f"calibration images are a tensor, or batches of them, not a {type(given).__name__}: of a data set give "
            "its .images"
        )
    images = 0
    for batch in given:
        values: Any = batch[0] if isinstance(batch, tuple | list) and len(batch) else batch
        if isinstance(values, Tensor) and not len(values):
            continue
        try:
            network.check_inputs((values,))
        except InvalidData as error:
            raise InvalidData(f"the calibration set, after {images} images: {error}") from error
        images += len(values)
        yield values
    if not images:
        raise InvalidData("the calibration set is empty (or an iterator that was used up: give a list or a data set)")


def first_images(network: Network, calibration: Calibration, count: int) -> Tensor:
    """The first images of a calibration set in one batch.

    Args:
        network: the network that takes them.
        calibration: images from the training set.
        count: how many at most.
    """
    batches, images = list[Tensor](), 0
    for batch in image_batches(network, calibration):
        batches.append(batch[: count - images])
        images += len(batches[-1])
        if images >= count:
            break
    return torch.cat(batches)


def check_spikes(network: Network) -> None:
    """Raises `InvalidNetwork` where nothing in a network would spike, so that there is nothing to search for.

    Args:
        network: the network to convert.
    """
    if not network.activations:
        raise InvalidNetwork(f"{network.origin or 'the network'} has no activations: nothing in it would spike")


def check_apart(calibration: Tensor, held_out: Tensor) -> None:
    """Raises `InvalidData` where images for scores are missing, or are among those that methods look at.

    Args:
        calibration: the images for the methods.
        held_out: the images for the scores, which would be too good.
    """
    if not len(held_out) or not len(calibration):
        raise InvalidData("a search needs calibration images and held-out images")
    seen = {hash(image.numpy().tobytes()) for image in calibration.cpu()}
    both = sum(hash(image.numpy().tobytes()) in seen for image in held_out.cpu())
    if both:
        raise InvalidData(f"{both} of the held-out images are calibration images too: the scores would be too good")


def _split(images: Tensor) -> list[Tensor]:
    return [images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE)]
