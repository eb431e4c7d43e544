"""A folder with a folder of images for each class, undivided or below `train` and `test`; or a folder of images."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from respike.data.encoded import encoded, whole
from respike.data.imagenet import images_in
from respike.data.readers.reader import Parts, Raw, Reader, Reading, first_named, split_of
from respike.errors import InvalidData


def _fits(path: Path) -> bool:
    return path.is_dir() and (bool(_folders(path)) or bool(images_in(path)))


def _parts(path: Path, reading: Reading) -> Parts:
    folders = _folders(path)
    only_parts = all(split_of(folder.name) for folder in folders)
    parts = [folder for folder in folders if split_of(folder.name) and (_folders(folder) or only_parts)]
    others = [folder.name for folder in folders if folder not in parts]
    if parts and others:
        raise InvalidData(
            f"{path} mixes two layouts: parts ({', '.join(part.name for part in parts)}) and class folders "
            f"({', '.join(others[:3])}): move the class folders into {parts[0].name}, or name one part as the path"
        )
    if not parts:
        return {None: partial(_read, path, reading)}
    return {split: partial(_read, path / name, reading) for split, name in first_named(p.name for p in parts).items()}


def _read(folder: Path, reading: Reading) -> Raw:
    """The images of one part; labels follow the sorted names of the class folders."""
    classes, loose = _folders(folder), images_in(folder)
    if classes and loose:
        raise InvalidData(
            f"{folder} mixes two layouts: class folders ({classes[0].name}, ...) and images without a class "
            f"({loose[0].name}, ...): move those into class folders, or out"
        )
    items = [(path, label) for label, place in enumerate(classes) for path in images_in(place)] or [
        (path, 0) for path in loose
    ]
    if not items:
        raise InvalidData(f"{folder} has no images in it, nor in its folders")
    paths, labels = [path for path, _ in items], torch.tensor([label for _, label in items])
    notes: tuple[str, ...] = ()
    if reading.skip_bad:
        good, said = whole(paths)
        paths, labels, notes = [paths[number] for number in good], labels[good], (said,) if said else ()
        if not paths:
            raise InvalidData(f"no image in {folder} is whole")
    pixels = encoded(paths, reading.preparation)
    return Raw(pixels, labels if classes else None, tuple(place.name for place in classes), notes)


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


READER = Reader(
    "class folders",
    "a folder of class folders with images, also below train/ and test/; a folder of images without labels",
    _fits,
    _parts,
)
