"""Tables of Apache Arrow, read with pyarrow: columns as Python values, and what Hugging Face's metadata say of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from respike import files
from respike.data.readers.columns import named, of_columns
from respike.data.readers.reader import LABELS, Raw, Reading
from respike.errors import InvalidFile


def _pyarrow(path: Path) -> Any:
    """The package; InvalidFile says how to get it where it is not installed."""
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise InvalidFile(f"{path} needs the package 'pyarrow': pip install 'respike[arrow]'") from error
    return pyarrow


def table_of(paths: Sequence[Path], kind: str, read: Callable[[Any, BinaryIO], Any]) -> Any:
    """The rows of all files, one behind the other, as a `pyarrow.Table`.

    Args:
        paths: the files, one or more.
        kind: what they should be, in words.
        read: gives the table in a file, by the package `pyarrow`.

    Raises:
        InvalidFile: a file that is damaged. Arrow follows offsets wherever they lead, so they are checked first.
    """
    arrow, tables = _pyarrow(paths[0]), []
    for path in paths:
        try:
            table = read(arrow, io.BytesIO(files.read(path)))
            table.validate(full=True)
        except (arrow.ArrowException, OSError) as error:
            raise InvalidFile(f"{path} is corrupted, truncated, or no {kind} file: {error}") from error
        tables.append(table)
    return arrow.concat_tables(tables)


def of_table(table: Any, features: Mapping[str, Any], place: Path, reading: Reading) -> Raw:
    """The images and labels in an Arrow table.

    Args:
        table: a `pyarrow.Table`.
        features: Hugging Face's description of its columns; empty where there is none.
        place: the file that it was read from.
        reading: how to read.
    """
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    label = named(table.column_names, LABELS)
    classes = features.get(label, {}).get("names", ()) if label else ()
    return of_columns(columns, place, reading, tuple(map(str, classes)))


def features_of(schema: Any) -> Mapping[str, Any]:
    """What Hugging Face's metadata in a schema say of the columns."""
    try:
        described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features: Mapping[str, Any] = described.get("info", {}).get("features", {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    return features if isinstance(features, Mapping) else {}
