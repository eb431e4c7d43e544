"""A folder that Hugging Face's `datasets` wrote with `save_to_disk`; the package itself is not needed to read it.

Source: https://huggingface.co/docs/datasets/about_arrow (files of Arrow's stream format, beside `state.json`, which
lists them, and `dataset_info.json`, which describes the columns; several parts stand below a `dataset_dict.json`).
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from respike import files
from respike.data.readers.arrow import of_table, table_of
from respike.data.readers.reader import Parts, Raw, Reader, Reading, first_named
from respike.errors import InvalidData, InvalidFile

_STATE, _INFO, _PARTS = "state.json", "dataset_info.json", "dataset_dict.json"


def _fits(path: Path) -> bool:
    return (path / _STATE).is_file() or (path / _PARTS).is_file()


def _parts(path: Path, reading: Reading) -> Parts:
    if (path / _STATE).is_file():
        return {None: partial(_read, path, reading)}
    names = [folder.name for folder in path.iterdir() if (folder / _STATE).is_file()]
    parts = first_named(names)
    if not parts:
        raise InvalidData(f"{path} has no part that is called train or test ({', '.join(names) or 'it has none'})")
    return {split: partial(_read, path / name, reading) for split, name in parts.items()}


def _read(folder: Path, reading: Reading) -> Raw:
    try:
        listed = [folder / Path(file["filename"]).name for file in _json(folder / _STATE)["_data_files"]]
    except (KeyError, TypeError) as error:
        raise InvalidFile(f"{folder / _STATE} does not list the files of the data set") from error
    features = _json(folder / _INFO).get("features", {}) if (folder / _INFO).is_file() else {}
    if not listed:
        raise InvalidData(f"{folder} lists no files of data")
    table = table_of(listed, "Arrow", _stream)
    return of_table(table, features, folder / _STATE, reading)


def _stream(arrow: Any, file: BinaryIO) -> Any:
    with arrow.ipc.open_stream(file) as stream:
        return stream.read_all()


def _json(path: Path) -> Any:
    try:
        found = json.loads(files.read(path))
    except (ValueError, RecursionError) as error:
        raise InvalidFile(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidFile(f"{path} holds no JSON object")
    return found


READER = Reader("Hugging Face", "a folder that datasets' save_to_disk wrote", _fits, _parts)
