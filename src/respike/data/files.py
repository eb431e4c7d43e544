"""Files that are read whole and checked."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from pathlib import Path

from respike.errors import InvalidFile
from respike.files import read

LARGEST = 256 << 20
"""Bytes that a file of a data set has at most; CIFAR-100's training set, the largest, has 154 MB."""


def unpacked(path: Path) -> bytes:
    """The content of a file, unpacked where it is gzipped; raises InvalidFile where it cannot be read or is broken."""
    content = read(path)
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            whole = packed.read(LARGEST + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidFile(f"{path} is a truncated or corrupted gzip file: {error}") from error
    if len(whole) > LARGEST:
        raise InvalidFile(f"{path} unpacks to more than {LARGEST >> 20} MiB, which is no file of a data set known here")
    return whole


def verify(content: bytes, md5: str, name: str) -> bytes:
    """The same content; raises InvalidFile where its MD5 is not the one given."""
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise InvalidFile(f"{name} has the wrong checksum: MD5 {found}, not {md5}; delete it and fetch it again")
    return content
