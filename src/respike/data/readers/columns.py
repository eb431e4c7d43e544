"""Columns of a table: images as files, as contents of files or as numbers, with labels as numbers or names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from respike.data.encoded import Embedded, Item, encoded, whole
from respike.data.readers.reader import IMAGES, LABELS, Raw, Reading, labels_of, of_arrays
from respike.errors import InvalidData

_WHOLE = re.compile(r"\s*-?[0-9]{1,18}\s*")
"""Whole numbers that 64 bits hold; what is longer is a name."""
FILES = ("file", "files", "path", "paths", "filename", "file_name", "filepath", "image_path", "name")
"""Names of columns that hold files."""
SPLITS = ("split", "part", "subset", "set")
"""Names of columns that say to which part a row belongs."""


def named(columns: Sequence[str], known: Sequence[str]) -> str | None:
    """The first of the columns that has one of the known names."""
    lowered = {column.lower().strip(): column for column in columns}
    return next((lowered[name] for name in known if name in lowered), None)


def of_columns(columns: Mapping[str, Sequence[Any]], place: Path, reading: Reading, classes: Sequence[str] = ()) -> Raw:
    """The images and labels in the columns of a table.

    Args:
        columns: by name; all equally long.
        place: the file of the table; files in it are looked for beside it.
        reading: how to read.
        classes: the names of the classes, where the table knows them.

    Raises:
        InvalidData: no column of images, or rows that hold none.
        InvalidFile: a file that is missing or broken.
    """
    images = named(list(columns), (*IMAGES, *FILES))
    labels = named(list(columns), LABELS)
    if images is None:
        raise InvalidData(
            f"{place} has the columns {', '.join(columns)}: name the one with the images image or file, and the one "
            "with the labels label"
        )
    found, names = _labels(columns[labels], place, classes, reading) if labels else (None, tuple(classes))
    values = list(columns[images])
    if not values:
        raise InvalidData(f"{place} has no rows")
    if not _is_encoded(values[0]):
        return of_arrays(np.asarray(values), found, str(place), reading)
    items = [_item(value, place, number) for number, value in enumerate(values)]
    notes: tuple[str, ...] = ()
    if reading.skip_bad:
        good, said = whole(items)
        items, notes = [items[number] for number in good], (said,) if said else ()
        found = found if found is None else found[good]
    return Raw(encoded(items, reading.preparation), found, names, notes)


def _is_encoded(value: Any) -> bool:
    return isinstance(value, str | bytes) or (isinstance(value, Mapping) and bool({"bytes", "path"} & value.keys()))


def _item(value: Any, place: Path, row: int) -> Item:
    """A file beside the table, or a content in it."""
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    match value:
        case bytes():
            return Embedded(f"the image in row {row} of {place}", value)
        case str():
            return place.parent / value
        case _:
            raise InvalidData(f"row {row} of {place} has no image")


def _labels(
    values: Sequence[Any], place: Path, classes: Sequence[str], reading: Reading
) -> tuple[Tensor, tuple[str, ...]]:
    """Labels as numbers; names are numbered in their sorted order, unless the table numbers them itself."""
    if not any(isinstance(value, str) for value in values):
        return labels_of(np.asarray(values), str(place), reading), tuple(classes)
    if reading.targets:
        try:
            return labels_of(np.asarray([float(value) for value in values]), str(place), reading), ()
        except ValueError as error:
            raise InvalidData(f"{place}: targets must be numbers: {error}") from error
    if all(isinstance(value, str) and _WHOLE.fullmatch(value) for value in values):
        return labels_of(np.asarray([int(value) for value in values]), str(place), reading), tuple(classes)
    names = tuple(classes) or tuple(sorted({str(value) for value in values}))
    numbers = {name: number for number, name in enumerate(names)}
    return torch.tensor([numbers[str(value)] for value in values]), names
