"""What a reader of data is: it recognises files of its kind, and tells which parts are in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from respike.data.catalogue import Split
from respike.data.dataset import Pixels
from respike.data.preparation import Picked, Preparation, Prepared, channels_first
from respike.errors import Argument, InvalidData

IMAGES = ("images", "image", "img", "x", "data", "inputs", "input", "pixels", "features", "arr_0")
"""Names of arrays and of columns that hold images."""
LABELS = ("labels", "label", "y", "targets", "target", "masks", "mask", "classes", "class", "arr_1", "fine_label")
"""Names of arrays and of columns that hold labels or targets."""
_PARTS: Mapping[str, Split] = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "test": Split.TEST,
    "t10k": Split.TEST,
    "val": Split.TEST,
    "valid": Split.TEST,
    "validation": Split.TEST,
}
"""Names of parts; of several that mean the same, the first in this order is taken."""


@dataclass(frozen=True, eq=False)
class Raw:
    """What a reader found in one part.

    Args:
        pixels: the images, prepared when they are asked for.
        labels: int64 `[images]`, or targets of any kind and shape; None where there are none.
        classes: the names of the classes, where the data name them.
        notes: what a person should know: what was guessed, what was left out.
    """

    pixels: Pixels
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Parts: TypeAlias = Mapping[Split | None, Callable[[], Raw]]
"""The parts of a data set, each read when it is asked for; the key None is data that are not divided."""


@dataclass(frozen=True)
class Reading:
    """How to read.

    Args:
        preparation: what is done to the images.
        skip_bad: leave broken images out, in place of stopping at them.
        targets: take labels as targets of a metric, `[images, ...]`, which need be no classes.
    """

    preparation: Preparation = field(default_factory=Preparation)
    skip_bad: bool = False
    targets: bool = False


@dataclass(frozen=True)
class Reader:
    """One kind of data.

    Args:
        name: what to call it.
        reads: which files or folders it reads, in words.
        fits: whether a path is of this kind.
        parts: what is in it.
    """

    name: str
    reads: str
    fits: Callable[[Path], bool]
    parts: Callable[[Path, Reading], Parts]


def split_of(name: str) -> Split | None:
    """The part that a name means (`train`, `val`, ...), if it means one."""
    return _PARTS.get(name.lower())


def first_named(names: Iterable[str]) -> dict[Split, str]:
    """For each part the name that stands for it; `test` is taken before `validation`."""
    order = list(_PARTS)
    chosen: dict[Split, str] = {}
    for name in sorted((name for name in names if split_of(name)), key=lambda name: order.index(name.lower())):
        chosen.setdefault(_PARTS[name.lower()], name)
    return chosen


def roles(names: Sequence[str]) -> dict[Split | None, tuple[str, str | None]]:
    """Which of several arrays are images and which are labels, by their names, for each part.

    `x_train`, `train_images` and `images.train` are the images of the training part; `y_test` the labels of the test.
    """
    found: dict[str | None, dict[str, str]] = {}
    for name in names:
        words = [word for word in re.split(r"[_\-. /]+", name.lower()) if word]
        part = next((word for word in words if word in _PARTS), None)
        rest = "_".join(word for word in words if word != part)
        if rest in IMAGES or rest in LABELS:
            found.setdefault(part, {}).setdefault("images" if rest in IMAGES else "labels", name)
    usable = {part: pair for part, pair in found.items() if "images" in pair}
    chosen: dict[Split | None, tuple[str, str | None]] = {}
    for part in sorted(usable, key=lambda part: -1 if part is None else list(_PARTS).index(part)):
        pair = usable[part]
        chosen.setdefault(None if part is None else _PARTS[part], (pair["images"], pair.get("labels")))
    return chosen


def of_arrays(images: Tensor | NDArray[np.generic], labels: object, name: str, reading: Reading) -> Raw:
    """What arrays of images and labels hold.

    Args:
        images: `[images, ...]`.
        labels: `[images]`, `[images, 1]`, or one-hot `[images, classes]`; targets `[images, ...]`; None for none.
        name: what to call them in messages.
        reading: how to read.
    """
    pixels, preparation = _numbers(images, name), reading.preparation
    found = None if labels is None else labels_of(labels, name, reading)
    if found is not None and len(found) != len(pixels):
        raise InvalidData(f"{name} has {len(found):,} labels for {len(pixels):,} images: there must be one for each")
    if preparation.preprocess is not None:
        return Raw(Prepared(pixels, preparation), found)
    before = tuple(pixels.shape[1:])
    pixels, layout = channels_first(pixels, preparation.layout)
    changed = tuple(pixels.shape[1:])
    notes = () if before == changed else (f"taken as {layout.value}: {list(before)} became {list(changed)}",)
    return Raw(Prepared(pixels, preparation), found, notes=notes)


def picked(raw: Raw, numbers: Tensor) -> Raw:
    """Only the images with these numbers."""
    labels = None if raw.labels is None else raw.labels[numbers]
    return Raw(Picked(raw.pixels, numbers), labels, raw.classes, raw.notes)


def labels_of(labels: object, name: str, reading: Reading) -> Tensor:
    """Labels as int64 `[images]`, or targets as they are; raises InvalidData where they are neither."""
    return _tensor(labels, f"{name}: targets must be numbers") if reading.targets else whole_labels(labels, name)


def whole_labels(labels: object, name: str) -> Tensor:
    """Labels as int64 `[images]`; raises InvalidData where they are none."""
    found = _tensor(labels, f"{name}: labels must be whole numbers, one for each image")
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim == 2 and bool((found.double().sum(1) == 1).all()) and bool((found.max(1).values == 1).all()):
        found = found.int().argmax(1)
    if found.ndim != 1 or found.dtype == torch.bool or not bool((found.double() == found.double().round()).all()):
        raise InvalidData(
            f"{name}: labels must be whole numbers, one for each image, or one-hot rows, not {found.dtype} of shape "
            f"{list(found.shape)}; where they are no classes, compare by a ",
            Argument("metric"),
        )
    return found.to(torch.int64)


def _tensor(values: object, wanted: str) -> Tensor:
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidData(f"{wanted}: {error}") from error


def _numbers(images: Tensor | NDArray[np.generic], name: str) -> Tensor:
    """Images as bytes or floats."""
    try:
        found = torch.as_tensor(images)
    except TypeError as error:
        raise InvalidData(f"{name}: images must be numbers: {error}") from error
    if found.ndim < 2 or not len(found):
        raise InvalidData(f"{name}: images must be an array [images, ...] of at least one, not of {list(found.shape)}")
    if found.dtype == torch.uint8 or found.is_floating_point():
        return found
    if found.is_complex():
        raise InvalidData(f"{name}: images must be real numbers, not {found.dtype}")
    low, high = int(found.min()), int(found.max())
    if not 0 <= low <= high <= 255:
        raise InvalidData(f"{name}: whole numbers must be bytes from 0 to 255, not {low} to {high}: make them floats")
    return found.float() if high <= 1 else found.to(torch.uint8)
