"""ImageNet as a folder of class folders; images are decoded when they are asked for, never all held."""

from __future__ import annotations

from pathlib import Path

import torch

from respike.data.dataset import Dataset
from respike.data.encoded import SUFFIXES, EncodedImages
from respike.data.preparation import Preparation
from respike.errors import InvalidData

PREPARATION = Preparation(size="256/224")
"""The usual one: the shorter side is resized to 256 pixels (bicubic), then the centre is cut out."""


def read(name: str, split: str, folder: Path, per_class: int | None = None) -> Dataset:
    """The images below `folder`, which has one folder for each class; labels follow the folders' sorted names.

    per_class: only the first so many of each class, by sorted file names. Raises InvalidData for an empty folder.
    """
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    found = [(path, label) for label, place in enumerate(classes) for path in images_in(place)[:per_class]]
    if not found:
        raise InvalidData(f"{folder} has no class folders with images in them")
    paths, labels = zip(*found, strict=True)
    names = tuple(place.name for place in classes)
    return Dataset(name, split, EncodedImages(paths, PREPARATION), torch.tensor(labels), names, str(folder))


def images_in(folder: Path) -> list[Path]:
    """The image files that stand in a folder, by sorted names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
