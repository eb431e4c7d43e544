"""New files and folders: whole or not at all, and never in the place of something else unless told so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from respike.errors import InvalidFile


def check_new(path: Path, *, force: bool, folder: bool = False) -> None:
    """Raises `InvalidFile` where nothing could or may be written, so that a long run need not end in that."""
    above = path.absolute().parent
    if not above.is_dir():
        raise InvalidFile(f"cannot write {path}: there is no folder {above}")
    if not os.access(above, os.W_OK):
        raise InvalidFile(f"cannot write {path}: the folder {above} is not writable")
    if path.exists() and path.is_dir() != folder:
        raise InvalidFile(f"cannot write {path}: it is a {'folder' if path.is_dir() else 'file'}")
    if path.exists() and not force:
        raise InvalidFile(f"{path} exists and is not overwritten; use --force (force=True) to replace it")


@contextmanager
def new(path: Path, *, force: bool, folder: bool = False) -> Iterator[Path]:
    """A place to write to, which takes the name `path` in one step once all is written; if that fails, nothing stays.

    A folder that is replaced is first moved aside, and comes back if the new one cannot take its place.
    """
    check_new(path, force=force, folder=folder)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
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
    aside = path.with_name(f".{path.name}.{os.getpid()}.old")
    path.rename(aside)
    try:
        partial.rename(path)
    except OSError:
        aside.rename(path)
        raise
    shutil.rmtree(aside)
