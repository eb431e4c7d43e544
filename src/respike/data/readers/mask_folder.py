"""Images for segmentation: a folder `images` and a folder `masks`, with a mask file for each image."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from respike.data.encoded import decoded, encoded, sized, whole
from respike.data.imagenet import images_in
from respike.data.readers.reader import IMAGES, Parts, Raw, Reader, Reading, first_named, split_of
from respike.errors import InvalidData

_MASKS = ("masks", "mask", "annotations", "labels", "targets")
_NUMBERS = {"1", "L", "P", "I", "I;16", "I;16B"}
"""Modes of images whose pixels are one number: of a palette, the place in it."""


def _fits(path: Path) -> bool:
    return path.is_dir() and any(_pair(folder) for folder in (path, *_parts_of(path).values()))


def _parts(path: Path, reading: Reading) -> Parts:
    if pair := _pair(path):
        return {None: partial(_read, *pair, reading)}
    found = {name: pair for name, folder in _parts_of(path).items() if (pair := _pair(folder))}
    return {split: partial(_read, *found[name], reading) for split, name in first_named(found).items()}


def _read(images: Path, masks: Path, reading: Reading) -> Raw:
    """The images of one part, and their masks where targets are wanted."""
    beside = {path.stem: path for path in images_in(masks)}
    paths = images_in(images)
    if alone := [path for path in paths if path.stem not in beside]:
        raise InvalidData(f"{len(alone)} of {len(paths)} images have no mask: {alone[0].stem} is not in {masks}")
    notes: tuple[str, ...] = ()
    if reading.skip_bad:
        good = set(range(len(paths)))
        for some in (paths, [beside[path.stem] for path in paths]):
            kept, said = whole(some)
            good &= set(kept)
            notes += (said,) if said else ()
        paths = [paths[number] for number in sorted(good)]
    if not paths:
        raise InvalidData(f"no image in {images} is whole")
    pixels = encoded(paths, reading.preparation)
    if not reading.targets:
        return Raw(pixels, notes=(*notes, "masks are left out: compare by a metric, as mean_iou, to use them"))
    found = [_mask(beside[path.stem], reading) for path in paths]
    if len({mask.shape for mask in found}) > 1:
        raise InvalidData(f"the masks in {masks} have several sizes: give the size that the network takes (size)")
    return Raw(pixels, torch.stack(found), notes=notes)


def _mask(path: Path, reading: Reading) -> Tensor:
    """The class of each pixel; no number is made that is not in the file."""
    image = decoded(path)
    if image.mode not in _NUMBERS:
        raise InvalidData(
            f"{path} has colours ({image.mode}), and a mask holds the number of a class in each pixel: save it as a "
            "grey image, or with a palette"
        )
    from PIL.Image import Resampling

    numbers = np.array(sized(image, path, reading.preparation, Resampling.NEAREST))
    return torch.as_tensor(numbers.astype(np.int64))


def _pair(folder: Path) -> tuple[Path, Path] | None:
    """The folders of images and of masks in a folder, if it has both."""
    by_name = {place.name.lower(): place for place in folder.iterdir() if place.is_dir()}
    images = next((by_name[name] for name in IMAGES if name in by_name), None)
    masks = next((by_name[name] for name in _MASKS if name in by_name), None)
    both = images is not None and masks is not None and bool(images_in(images)) and bool(images_in(masks))
    return (images, masks) if both and images is not None and masks is not None else None


def _parts_of(path: Path) -> dict[str, Path]:
    return {folder.name: folder for folder in path.iterdir() if folder.is_dir() and split_of(folder.name)}


READER = Reader(
    "images with masks",
    "a folder images/ and a folder masks/ with a mask for each image, also below train/ and test/",
    _fits,
    _parts,
)
