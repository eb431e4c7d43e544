"""Files that are read whole and checked."""

from __future__ import annotations

import gzip
import hashlib
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
