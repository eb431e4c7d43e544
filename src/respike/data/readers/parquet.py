"""Parquet: a list of files or of encoded images, with labels; one file, or a folder as Hugging Face's hub has it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from respike.data.readers.arrow import features_of, of_table, table_of
from respike.data.readers.reader import Parts, Raw, Reader, Reading, first_named


def _fits(path: Path) -> bool:
    return (path.suffix.lower() == ".parquet" and path.is_file()) or (path.is_dir() and bool(_files(path)))


def _parts(path: Path, reading: Reading) -> Parts:
    if path.is_file():
        return {None: partial(_read, [path], reading)}
    found = _files(path)
    parts = first_named({file.name.partition("-")[0].partition(".")[0] for file in found})
    if not parts:
        return {None: partial(_read, found, reading)}
    return {
        split: partial(_read, [file for file in found if file.name.startswith((f"{name}-", f"{name}."))], reading)
        for split, name in parts.items()
    }


def _files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.parquet"), *folder.glob("data/*.parquet")])


def _read(parquet: list[Path], reading: Reading) -> Raw:
    table = table_of(parquet, "Parquet", lambda arrow, file: arrow.parquet.read_table(file))
    return of_table(table, features_of(table.schema), parquet[0], reading)


READER = Reader(
    "Parquet",
    ".parquet with the columns image or file, and label; a folder of such files as the hub has them",
    _fits,
    _parts,
)
