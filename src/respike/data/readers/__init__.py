"""Readers of own data, one file for each kind. A new kind is a file here and a name in `ALL`."""

from __future__ import annotations

from pathlib import Path

from respike.data.readers import (
    class_folder,
    event_files,
    gestures,
    hugging_face,
    idx_files,
    listed,
    mask_folder,
    numpy_archive,
    numpy_array,
    parquet,
    tensors,
)
from respike.data.readers.reader import Parts, Raw, Reader, Reading, picked
from respike.data.readers.torch_data import of_object
from respike.errors import InvalidData, InvalidFile
from respike.files import check_plain

ALL: tuple[Reader, ...] = (
    numpy_archive.READER,
    numpy_array.READER,
    tensors.READER,
    idx_files.READER,
    listed.READER,
    parquet.READER,
    hugging_face.READER,
    gestures.READER,
    event_files.READER,
    mask_folder.READER,
    class_folder.READER,
)
"""Every reader of files; the first that fits a path reads it."""


def find(path: Path) -> Reader:
    """The reader of a file or folder.

    Args:
        path: the file or folder.

    Raises:
        InvalidFile: there is nothing of that name, or a pipe or a device.
        InvalidData: it is of no kind that is known.
    """
    if not path.exists():
        raise InvalidFile(f"there is no file or folder {path}")
    if not path.is_dir():
        check_plain(path)
    for reader in ALL:
        if reader.fits(path):
            return reader
    raise InvalidData(f"{path} is no data that respike reads: {'; '.join(reader.reads for reader in ALL)}")


__all__ = ["ALL", "Parts", "Raw", "Reader", "Reading", "find", "of_object", "picked"]
