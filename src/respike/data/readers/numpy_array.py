"""NumPy's `.npy`: an array of images; labels stand in a file beside it that is named alike."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from respike import files
from respike.data.readers.reader import IMAGES, LABELS, Parts, Reader, Reading, of_arrays
from respike.errors import InvalidFile


def _fits(path: Path) -> bool:
    return path.suffix.lower() == ".npy" and path.is_file()


def _parts(path: Path, reading: Reading) -> Parts:
    beside = _labels_beside(path)
    return {
        None: lambda: of_arrays(read(path), read(beside) if beside else None, str(path), reading),
    }


def read(path: Path) -> NDArray[np.generic]:
    """The array in a `.npy` file; raises InvalidFile where it is broken or pickled."""
    content = files.read(path)
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)  # type: ignore[no-any-return]
    except Exception as error:  # whatever Python's own parser, which numpy gives the header to, says of it
        raise InvalidFile(f"{path} is corrupted, truncated, pickled, or no .npy file: {error}") from error


def _labels_beside(path: Path) -> Path | None:
    """`y_test.npy` beside `x_test.npy`, `labels.npy` beside `images.npy`."""
    words = re.split(r"([_\-.]+)", path.stem)
    for place, word in enumerate(words):
        if word.lower() not in IMAGES:
            continue
        for label in LABELS:
            beside = path.with_name("".join([*words[:place], label, *words[place + 1 :]]) + path.suffix)
            if beside.is_file():
                return beside
    return None


READER = Reader("npy", "x.npy of images, with labels in y.npy (or images.npy and labels.npy) beside it", _fits, _parts)
