"""Files that are read whole, checked, and replaced in one step."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import zlib
from pathlib import Path

from respike.errors import InvalidFile


def read(path: Path) -> bytes:
    """The content of a file; raises InvalidFile where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidFile(f"cannot read {path}: {error.strerror}") from error


def unpacked(path: Path) -> bytes:
    """The content of a file, unpacked where it is gzipped; raises InvalidFile where it cannot be read or is broken."""
    content = read(path)
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidFile(f"{path} is a truncated or corrupted gzip file: {error}") from error


def verify(content: bytes, md5: str, name: str) -> bytes:
    """The same content; raises InvalidFile where its MD5 is not the one given."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise InvalidFile(f"{name} has the wrong checksum: MD5 {found}, not {md5}; delete it and fetch it again")
    return content


def replace(path: Path, content: bytes) -> None:
    """Writes a file in one step: whoever reads it sees the old content or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
