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
