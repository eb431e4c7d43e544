"""Files that are written in one step, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from respike.errors import InvalidFile


def check_writable(path: Path) -> None:
    """Raises `InvalidFile` where a file could not be written, so that a long run need not end in that."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InvalidFile(f"cannot write {path}: there is no folder {folder}")
    if path.is_dir():
        raise InvalidFile(f"cannot write {path}: it is a folder")
    if not os.access(folder, os.W_OK):
        raise InvalidFile(f"cannot write {path}: the folder {folder} is not writable")


def write(path: Path, content: bytes) -> None:
    """Writes a file in one step: whoever reads it sees the old content or the new one, never a part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise InvalidFile(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def check_new(path: Path, *, force: bool) -> None:
    """Raises `InvalidFile` where a file could not be written, or is there already and may not be written over."""
    check_writable(path)
    if path.exists() and not force:
        raise InvalidFile(f"{path} is there already: --force writes over it")


def check_folder(path: Path, *, force: bool) -> None:
    """Raises `InvalidFile` where a folder could not be made or written to, or has something in it already."""
    if path.exists() and not path.is_dir():
        raise InvalidFile(f"cannot write into {path}: it is no folder")
    if not path.exists():
        check_writable(path)
        return
    check_writable(path / "figure")
    if any(path.iterdir()) and not force:
        raise InvalidFile(f"the folder {path} is not empty: --force writes into it")
