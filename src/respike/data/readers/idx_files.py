"""The files of MNIST and its kin: IDX, plain or gzipped, of images and of labels."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from respike.data import idx
from respike.data.files import unpacked
from respike.data.readers.reader import Parts, Raw, Reader, Reading, first_named, of_arrays

_NAME = re.compile(r"(.*?)-?images?[-.]idx\d-ubyte(\.gz)?")


def _fits(path: Path) -> bool:
    return bool(_images(path))


def _parts(path: Path, reading: Reading) -> Parts:
    found = _images(path)
    chosen = first_named(found)
    if not path.is_dir() or not chosen:
        return {None: partial(_read, next(iter(found.values())), reading)}
    return {split: partial(_read, found[name], reading) for split, name in chosen.items()}


def _images(path: Path) -> dict[str, Path]:
    """The files of images, by what their names begin with."""
    candidates = sorted(path.iterdir()) if path.is_dir() else [path]
    matched = [(match, file) for file in candidates if (match := _NAME.fullmatch(file.name)) and file.is_file()]
    return {match[1]: file for match, file in matched}


def _read(images: Path, reading: Reading) -> Raw:
    beside = images.with_name(re.sub(r"images?([-.])idx\d", r"labels\1idx1", images.name))
    others = [beside, beside.with_suffix("") if beside.suffix == ".gz" else beside.with_name(f"{beside.name}.gz")]
    labels = next((other for other in others if other.is_file()), None)
    arrays = [idx.parse(unpacked(path), str(path)) for path in (images, *([labels] if labels else []))]
    return of_arrays(arrays[0], arrays[1] if labels else None, str(images), reading)


READER = Reader(
    "IDX",
    "IDX files as MNIST has them (t10k-images-idx3-ubyte, with its labels beside it), or their folder",
    _fits,
    _parts,
)
