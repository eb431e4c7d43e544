"""`open`: data of one's own as a `Dataset`, from files of many kinds or from what a program has in its hands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from respike import files
from respike.data import idx
from respike.data.catalogue import CALIBRATION_IMAGES, Split
from respike.data.dataset import Dataset
from respike.data.files import unpacked
from respike.data.loading import first_of_each
from respike.data.preparation import Picked, Preparation
from respike.data.readers import Raw, Reading, find, of_object
from respike.data.readers.numpy_array import read as read_npy
from respike.data.readers.reader import whole_labels
from respike.errors import Argument, InvalidData, InvalidFile, InvalidOption
from respike.summarised import counted

MOST_CLASSES = 1_000_000
"""Classes that labels may tell apart: more are no labels, and their names alone would fill the memory."""
_LOOKED_AT = 256
"""Images whose values a summary looks at."""


def open(
    source: str | os.PathLike[str] | Any,
    split: Split | str = Split.TEST,
    *,
    preparation: Preparation = Preparation(),  # noqa: B008 - a frozen value
    labels: str | os.PathLike[str] | Tensor | None = None,
    classes: Sequence[str] = (),
    first_label: int = 0,
    skip_bad: bool = False,
    calibration: int | None = None,
    targets: bool = False,
) -> Dataset:
    """Data of one's own, from a path or from an object.

        test = respike.data.open("flowers", preparation=Preparation(size="256/224"))

    A path is a folder of class folders, an `.npz`, `.npy` or safetensors file, IDX files, a CSV or Parquet list, or a
    folder that Hugging Face's `datasets` wrote; an object is a pair of tensors, a torch `Dataset` or a `DataLoader`.
    What is not divided into parts is the test set. Without labels, `measure` compares the spiking network with the
    network itself.

    Args:
        source: the path or the object.
        split: "test", "train", or "calibration" (the first images of each class of the training part).
        preparation: what is done to the images.
        labels: the labels, or a file of them (.npy, IDX, or text with one in each line), where `source` has none.
        classes: the names of the classes in the order of the network's outputs; unless given, sorted names.
        first_label: what the first class is called, where labels do not start at 0.
        skip_bad: leave broken images out.
        calibration: how many images the calibration part has; 2,000 unless given. Given, it also divides data that have
            no training part: the first images of each class are then set aside, and the test part is what is left.
        targets: labels are targets of a metric, `[images, ...]`, and no classes (`respike.score`).

    Raises:
        InvalidFile: a path that does not exist, or a file that is broken.
        InvalidData: data of an unknown kind, or a part that is not there.
    """
    wanted = Split(split) if split in tuple(Split) else None
    if wanted is None:
        raise InvalidOption(f"a part of data is {', '.join(Split)}, not {split!r}")
    if calibration is not None and calibration < 1:
        raise InvalidOption(f"calibration needs at least one image, not {calibration}")
    name, place = _name(source)
    raw, divided = _raw(source, wanted, name, Reading(preparation, skip_bad, targets), divide=calibration is not None)
    notes = raw.notes
    found = _targets(raw, labels, name) if targets else _labels(raw, labels, first_label, name)
    if found is not None and classes:
        found = _renumbered(found, raw.classes, classes, name)
    # Names of class folders are classes, whatever is asked for.
    targets = targets and found is not None and not raw.classes
    names = tuple(classes) or raw.classes or (() if targets else _numbered(found))
    dataset = Dataset(
        name,
        wanted,
        raw.pixels,
        found if found is not None else torch.zeros(len(raw.pixels), dtype=torch.int64),
        names,
        place,
        labelled=found is not None,
        notes=notes,
        targets=targets,
    )
    if wanted is Split.TRAIN or (wanted is Split.TEST and (divided or calibration is None)):
        return dataset
    aside = calibration_numbers(dataset, calibration or CALIBRATION_IMAGES)
    if wanted is Split.CALIBRATION:
        return picked(dataset, aside)
    left = torch.ones(len(dataset), dtype=torch.bool)
    left[aside] = False
    if not bool(left.any()):
        raise InvalidData(f"{name} has {len(dataset)} images, and setting {calibration} aside leaves none to measure")
    return picked(dataset, left.nonzero()[:, 0])


def calibration_numbers(dataset: Dataset, count: int) -> Tensor:
    """The numbers of the first images of each class, `count` in all; of unlabelled images the first ones."""
    if not dataset.labelled or dataset.targets:
        return torch.arange(min(count, len(dataset)))
    present = len(torch.unique(dataset.labels))
    return torch.from_numpy(first_of_each(dataset.labels.numpy(), max(count // present, 1)))


def picked(dataset: Dataset, numbers: Tensor) -> Dataset:
    """Only the images with these numbers."""
    return replace(dataset, pixels=Picked(dataset.pixels, numbers), labels=dataset.labels[numbers])


def _name(source: Any) -> tuple[str, str]:
    """What to call the data, and where they are."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return path.resolve().name, str(path)
    return type(source).__name__, "memory"


def _raw(source: Any, split: Split, name: str, reading: Reading, *, divide: bool) -> tuple[Raw, bool]:
    """What is read, and whether the data are divided into parts."""
    if not isinstance(source, str | os.PathLike):
        return of_object(source, name, reading), False
    path = Path(source)
    parts = find(path).parts(path, reading)
    only, *others = parts
    if not others and only is not Split.TRAIN:
        if split is not Split.TEST and not divide:
            raise without_training(path)
        return parts[only](), False
    part = Split.TEST if split is Split.TEST else Split.TRAIN
    if part not in parts:
        raise InvalidData(f"{path} has no {part} part, only {', '.join(str(one) for one in parts)}")
    return parts[part](), True


def without_training(source: object) -> InvalidData:
    """The error where calibration would have to see images that are measured."""
    return InvalidData(
        f"{source} has no training part, and calibration must not see test images: name other images, or how many of "
        "these to set aside, by ",
        Argument("calibration"),
    )


def _targets(raw: Raw, given: str | os.PathLike[str] | Tensor | None, name: str) -> Tensor | None:
    found = raw.labels
    if given is not None:
        found = given if isinstance(given, Tensor) else torch.as_tensor(_label_file(Path(given)))
    if found is not None and len(found) != len(raw.pixels):
        raise InvalidData(
            f"{name} has {len(found):,} targets for {len(raw.pixels):,} images: there must be one for each"
        )
    return found


def _labels(raw: Raw, given: str | os.PathLike[str] | Tensor | None, first: int, name: str) -> Tensor | None:
    found = raw.labels
    if given is not None:
        found = given if isinstance(given, Tensor) else _label_file(Path(given))
        found = whole_labels(found, name)
    if found is None:
        return None
    if len(found) != len(raw.pixels):
        raise InvalidData(
            f"{name} has {len(found):,} labels for {len(raw.pixels):,} images: there must be one for each"
        )
    if len(found) and int(found.max()) - first >= MOST_CLASSES:
        raise InvalidData(
            f"{name} has labels up to {int(found.max()):,}, and no network tells more than {MOST_CLASSES:,} classes "
            "apart: these are no labels of classes"
        )
    if len(found) and int(found.min()) < first:
        raise InvalidData(
            f"{name}: the labels run from {int(found.min())} to {int(found.max())}, so the first class is ",
            Argument("first_label", int(found.min())),
        )
    return found - first


def _label_file(path: Path) -> Any:
    if path.suffix.lower() == ".npy":
        return read_npy(path)
    content = unpacked(path)
    if content[:2] == b"\0\0":
        return idx.parse(content, str(path))
    try:
        return torch.tensor([int(line) for line in files.read(path).decode().split()])
    except (ValueError, RuntimeError) as error:  # the second: of a number that 64 bits do not hold
        raise InvalidFile(f"{path} must hold labels: .npy, IDX, or text with one whole number in each line") from error


def _renumbered(labels: Tensor, found: Sequence[str], classes: Sequence[str], name: str) -> Tensor:
    """Labels that follow the order of `classes`, where the data have names of their own."""
    if not found:
        return labels
    missing = [one for one in found if one not in classes]
    if missing:
        raise InvalidData(f"{name} has a class {missing[0]!r}, which is none of the {len(classes)} classes given")
    return torch.tensor([list(classes).index(one) for one in found])[labels]


def _numbered(labels: Tensor | None) -> tuple[str, ...]:
    return tuple(map(str, range(int(labels.max()) + 1))) if labels is not None and len(labels) else ()


@dataclass(frozen=True)
class Summary:
    """What was read, as a person wants to know it before work starts.

    Args:
        images: how many.
        classes: how many classes have images; None where there are no labels, or targets.
        targets: the shape of one target of a metric; None where there are none.
        shape: of one image as the network gets it.
        low: the smallest value of the first images.
        high: the largest one.
        mean: their mean.
        looked_at: how many images these three are of.
        source: where they come from.
        notes: what was guessed or left out.
    """

    images: int
    classes: int | None
    targets: tuple[int, ...] | None
    shape: tuple[int, ...]
    low: float
    high: float
    mean: float
    looked_at: int
    source: str
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """In one line."""
        kinds = "without labels"
        if self.targets is not None:
            kinds = f"with targets of shape {list(self.targets)}"
        elif self.classes is not None:
            kinds = f"in {self.classes} class{'' if self.classes == 1 else 'es'}"
        shape = "x".join(map(str, self.shape))
        values = f"values {self.low:.3g} to {self.high:.3g}, mean {self.mean:.3g}"
        of = "" if self.looked_at == self.images else f" of the first {self.looked_at}"
        return "; ".join(
            [f"{counted(self.images, 'image')} {kinds} from {self.source}: {shape}, {values}{of}", *self.notes]
        )


def summary(dataset: Dataset) -> Summary:
    """Count, shape, range, classes and mean of a data set; the values are those of the first images."""
    first = dataset.take(_LOOKED_AT).images
    if not len(first):
        raise InvalidData(f"{dataset.name} has no images")
    return Summary(
        images=len(dataset),
        classes=len(torch.unique(dataset.labels)) if dataset.labelled and not dataset.targets else None,
        targets=tuple(dataset.labels.shape[1:]) if dataset.targets else None,
        shape=tuple(first.shape[1:]),
        low=float(first.min()),
        high=float(first.max()),
        mean=float(first.double().mean()),
        looked_at=len(first),
        source=dataset.source,
        notes=dataset.notes,
    )
