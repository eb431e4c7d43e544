"""Labelled images, held as bytes and given out as numbers in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from respike.errors import InvalidData

SEQUENCES = 5
"""Dimensions of sequences over time, `[n, steps, channels, height, width]`."""


class Pixels(Protocol):
    """Images that are read by slices: a tensor in memory, or files that are decoded when asked for."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def __getitem__(self, part: slice, /) -> Tensor:
        """The images of a slice, [n, channels, height, width]: uint8 in 0..255, or float in [0, 1]."""
        ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images of one split of a data set.

    Args:
        name: of the data set.
        split: "train", "test" or "calibration".
        pixels: [n, channels, height, width], uint8 in 0..255 or float in [0, 1]; what lies past the last label is not
            read.
        labels: int64 [n], indices into `classes`; or targets [n, ...] of any kind.
        classes: the names of the classes.
        source: where the images came from, for a report ("embedded", a path, ...).
        labelled: False for images without labels; what stands in `labels` then means nothing.
        notes: what was guessed or left out when they were read.
        targets: whether `labels` are targets of a metric, and no classes.

    Raises:
        InvalidData: labels and pixels that do not fit.
    """

    name: str
    split: str
    pixels: Pixels
    labels: Tensor
    classes: tuple[str, ...]
    source: str
    labelled: bool = True
    notes: tuple[str, ...] = ()
    targets: bool = False

    def __post_init__(self) -> None:
        """Checks that every image has a label and every label a class."""
        if not self.targets and (self.labels.dim() != 1 or self.labels.dtype != torch.int64):
            raise InvalidData(f"{self.name}: labels must be one row of int64, not {tuple(self.labels.shape)}")
        if len(self.pixels) < len(self.labels):
            raise InvalidData(f"{self.name}: {len(self.labels)} labels for {len(self.pixels)} images")
        if (
            self.labelled
            and not self.targets
            and len(self.labels)
            and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes)
        ):
            raise InvalidData(f"{self.name}: a label is outside the {len(self.classes)} classes")

    def __len__(self) -> int:
        """Number of labelled images."""
        return len(self.labels)

    @property
    def images(self) -> Tensor:
        """All images, float32 [n, channels, height, width] in [0, 1]; converted anew at each call."""
        return _as_float(self.pixels[: len(self)])

    @property
    def over_time(self) -> bool:
        """Whether these are sequences `[n, steps, channels, height, width]`, and no images."""
        return self.pixels[0:1].ndim == SEQUENCES

    @property
    def still(self) -> Dataset:
        """The same with the mean of its frames in place of each sequence; itself where it has images."""
        return replace(self, pixels=Mean(self.pixels)) if self.over_time else self

    def take(self, count: int) -> Dataset:
        """The first `count` images (all of them, where there are fewer); nothing is copied or decoded."""
        return replace(self, labels=self.labels[: max(count, 0)])

    def last(self, count: int) -> Dataset:
        """The last `count` images (all of them, where there are fewer); those that are files are decoded."""
        first = max(len(self) - max(count, 0), 0)
        return replace(self, pixels=self.pixels[first : len(self)], labels=self.labels[first:])

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels in order, `size` at a time (the last batch may be smaller)."""
        if size < 1:
            raise InvalidData(f"a batch needs at least one image, not {size}")
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            yield _as_float(self.pixels[start:stop]), self.labels[start:stop]


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean over the frames of sequences.

    Args:
        base: the sequences, `[n, steps, channels, height, width]`.
    """

    base: Pixels

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.base)

    def __getitem__(self, part: slice, /) -> Tensor:
        """The mean frames of a slice, `[n, channels, height, width]`."""
        return _as_float(self.base[part]).mean(1)


def _as_float(pixels: Tensor) -> Tensor:
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
