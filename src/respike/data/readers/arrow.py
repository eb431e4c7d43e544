"""Tables of Apache Arrow, read with pyarrow: columns as Python values, and what Hugging Face's metadata say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from respike.data.readers.columns import named, of_columns
from respike.data.readers.reader import LABELS, Raw, Reading
from respike.errors import InvalidFile


def pyarrow(path: Path) -> Any:
    """The package; InvalidFile says how to get it where it is not installed."""
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise InvalidFile(f"{path} needs the package 'pyarrow': pip install 'respike[arrow]'") from error
    return pyarrow


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
