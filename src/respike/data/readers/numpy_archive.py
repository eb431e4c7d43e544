"""NumPy's `.npz`: arrays by name, `images` and `labels`, or `x_train`, `y_train`, `x_test` and `y_test`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from respike import files
from respike.data.readers.reader import Parts, Raw, Reader, Reading, of_arrays, roles
from respike.errors import InvalidData, InvalidFile


def _fits(path: Path) -> bool:
    return path.suffix.lower() == ".npz" and path.is_file()


def _parts(path: Path, reading: Reading) -> Parts:
    content = files.read(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            names = list(archive.files)
    except Exception as error:  # those of zipfile, of zlib, and of Python's own parser
        raise InvalidFile(f"{path} is corrupted, truncated, or no .npz file: {error}") from error
    return parts_of_arrays(path, names, lambda name: _array(path, content, name), reading)


def parts_of_arrays(path: Path, names: list[str], array: Any, reading: Reading) -> Parts:
    """The parts in a file of named arrays.

    Args:
        path: the file.
        names: of its arrays.
        array: gives an array by its name.
        reading: how to read it.
    """
    found = roles(names)
    if not found:
        raise InvalidData(
            f"{path} has the arrays {', '.join(names) or 'none'}, and none of them is called images: name them images "
            "and labels, or x_train, y_train, x_test and y_test"
        )

    def read(images: str, labels: str | None) -> Raw:
        return of_arrays(array(images), array(labels) if labels else None, str(path), reading)

    return {split: (lambda pair=pair: read(*pair)) for split, pair in found.items()}  # type: ignore[misc]


def _array(path: Path, content: bytes, name: str) -> NDArray[np.generic]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return archive[name]  # type: ignore[no-any-return]
    except Exception as error:  # as above
        raise InvalidFile(
            f"the array {name} of {path} cannot be read ({error}); arrays of objects are pickled, and a pickle can run "
            "any program: save arrays of numbers"
        ) from error


READER = Reader("npz", ".npz with the arrays images and labels, or x_train, y_train, x_test, y_test", _fits, _parts)
