"""Files and folders that are written in one step: whole or not at all, and in the place of others only where wanted."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from respike.errors import Argument, InvalidFile


def check_writable(path: Path) -> None:
    """Raises `InvalidFile` where a file could not be written, so that a long run need not end in that."""
    _check_folder_above(path)
    if path.is_dir():
        raise InvalidFile(f"cannot write {path}: it is a folder")


def check_new(path: Path, *, force: bool, folder: bool = False) -> None:
    """Raises `InvalidFile` where nothing could be written, or where something is there that is not to be replaced."""
    _check_folder_above(path)
    if path.exists() and path.is_dir() != folder:
        raise InvalidFile(f"cannot write {path}: it is a {'folder' if path.is_dir() else 'file'}")
    if path.exists() and not force:
        raise InvalidFile(f"{path} is there already: ", Argument("force", True), " writes over it")


def check_folder(path: Path, *, force: bool) -> None:
    """Raises `InvalidFile` where a folder could not be made or written to, or has something in it already."""
    if path.exists() and not path.is_dir():
        raise InvalidFile(f"cannot write into {path}: it is no folder")
    if not path.exists():
        _check_folder_above(path)
        return
    check_writable(path / "file")
    if any(path.iterdir()) and not force:
        raise InvalidFile(f"the folder {path} is not empty: ", Argument("force", True), " writes into it")


def write(path: Path, content: bytes) -> None:
    """Writes a file in one step: whoever reads it sees the old content or the new one, never a part.

    Raises `InvalidFile` where that cannot be done; then nothing has changed.
    """
    with new(path, force=True) as partial:
        partial.write_bytes(content)


@contextmanager
def new(path: Path, *, force: bool, folder: bool = False) -> Iterator[Path]:
    """A place to write to, which takes the name `path` in one step once all is written; if that fails, nothing stays.

    A folder that is replaced is first moved aside, and comes back if the new one cannot take its place.
    """
    check_new(path, force=force, folder=folder)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        if folder:
            partial.mkdir()
        yield partial
        if folder and path.exists():
            _exchange(partial, path)
        else:
            partial.replace(path)
    except OSError as error:
        raise InvalidFile(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if folder:
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _exchange(partial: Path, path: Path) -> None:
    aside = partial.with_suffix(".old")
    path.rename(aside)
    try:
        partial.rename(path)
    except OSError:
        aside.rename(path)
        raise
    shutil.rmtree(aside)


def _check_folder_above(path: Path) -> None:
    above = path.absolute().parent
    if not above.is_dir():
        raise InvalidFile(f"cannot write {path}: there is no folder {above}")
    if not os.access(above, os.W_OK):
        raise InvalidFile(f"cannot write {path}: the folder {above} is not writable")
