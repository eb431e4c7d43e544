"""A CSV list of files and labels."""

from __future__ import annotations

import csv
import io
from functools import partial
from pathlib import Path

from respike import files
from respike.data.readers.columns import FILES, SPLITS, named, of_columns
from respike.data.readers.reader import IMAGES, LABELS, Parts, Raw, Reader, Reading, first_named
from respike.errors import InvalidData, InvalidFile

_SEPARATORS = ",;\t"


def _fits(path: Path) -> bool:
    return path.suffix.lower() in (".csv", ".tsv") and path.is_file()


def _parts(path: Path, reading: Reading) -> Parts:
    columns = _columns(path)
    split = named(list(columns), SPLITS)
    if split is None:
        return {None: partial(of_columns, columns, path, reading)}
    return {
        part: partial(_rows, columns, split, name, path, reading)
        for part, name in first_named(dict.fromkeys(columns[split])).items()
    }


def _rows(columns: dict[str, list[str]], split: str, name: str, path: Path, reading: Reading) -> Raw:
    kept = [number for number, value in enumerate(columns[split]) if value == name]
    return of_columns({key: [values[row] for row in kept] for key, values in columns.items()}, path, reading)


def _columns(path: Path) -> dict[str, list[str]]:
    """The columns by the names in the first row; without names, the first column has files and the second labels."""
    try:
        text = files.read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{path} is no text in UTF-8: {error}") from error
    separator = max(_SEPARATORS, key=text.partition("\n")[0].count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
    except csv.Error as error:
        raise InvalidFile(f"{path} is no CSV file: {error}") from error
    if not rows:
        raise InvalidData(f"{path} has no rows")
    width = len(rows[0])
    uneven = next((number for number, row in enumerate(rows, start=1) if len(row) != width), None)
    if uneven is not None:
        raise InvalidData(f"row {uneven} of {path} has {len(rows[uneven - 1])} columns, the first has {width}")
    has_names = named(rows[0], (*IMAGES, *FILES, *LABELS)) is not None
    names = rows[0] if has_names else ["file", "label", *(f"column {number}" for number in range(3, width + 1))][:width]
    return {name: [row[place] for row in rows[has_names:]] for place, name in enumerate(names)}


READER = Reader("CSV", ".csv with the columns file and label (and split, with train and test)", _fits, _parts)
