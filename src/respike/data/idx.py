"""The IDX format of MNIST: a big-endian header, then bytes."""

from __future__ import annotations

import struct
from math import prod

import numpy as np
from numpy.typing import NDArray

from respike.errors import InvalidFile

_UNSIGNED_BYTE = 0x08


def parse(content: bytes, name: str) -> NDArray[np.uint8]:
    """The array in an unpacked IDX file; `name` is used in messages.

    Raises InvalidFile for a wrong magic number, a type other than unsigned byte, and a wrong length.
    Source: http://yann.lecun.com/exdb/mnist/ (file format, at the bottom of the page).
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[3] == 0:
        raise InvalidFile(f"{name} is not an IDX file: it begins with {content[:4].hex() or 'nothing'}")
    if content[2] != _UNSIGNED_BYTE:
        raise InvalidFile(f"{name}: IDX type 0x{content[2]:02x} is not supported, only unsigned bytes (0x08)")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise InvalidFile(f"{name} is truncated inside its IDX header")
    shape = struct.unpack(f">{content[3]}I", content[4:header])
    if len(content) - header != prod(shape):
        raise InvalidFile(f"{name} holds {len(content) - header} bytes where its header says {prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()


def build(array: NDArray[np.uint8]) -> bytes:
    """The unpacked IDX file of an array of bytes; the inverse of `parse`."""
    header = bytes((0, 0, _UNSIGNED_BYTE, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()
