"""Global heaps of HDF5 files: checked before the HDF5 library reads them, which runs forever over some damaged ones."""

from __future__ import annotations

import mmap
import struct

from respike.errors import InvalidFile

_MAGIC = b"GCOL\x01\0\0\0"
_OBJECT = struct.Struct("<HHIQ")


def check_heaps(content: bytes | mmap.mmap) -> None:
    """Raises `InvalidFile` unless the objects of every global heap fill it one after the other.

    A heap is a magic number, its size in 8 bytes, and objects: a number, a count, 4 bytes that are reserved, the size
    in 8 bytes, and the data, padded to 8 bytes. Number 0 is the space that is left, whose size counts its own header
    (HDF5 File Format Specification, III.E). The library walks over them by their sizes: one of 0 holds it forever.

    Args:
        content: of the file.
    """
    start = content.find(_MAGIC)
    while start >= 0:
        _check(content, start)
        start = content.find(_MAGIC, start + len(_MAGIC))


def _check(content: bytes | mmap.mmap, start: int) -> None:
    here = start + 16
    end = start + int.from_bytes(content[start + 8 : here], "little")
    while here + _OBJECT.size <= min(end, len(content)):
        number, _, _, size = _OBJECT.unpack(content[here : here + _OBJECT.size])
        step = _OBJECT.size + -(-size // 8) * 8 if number else size
        if not step or here + step > end:
            raise InvalidFile(f"the file is damaged: a text or list at byte {here} claims {size} bytes")
        here += step
