"""A safetensors file with the tensors `images` and `labels`."""

from __future__ import annotations

from pathlib import Path

from respike import files
from respike.data.readers.numpy_archive import parts_of_arrays
from respike.data.readers.reader import Parts, Reader, Reading
from respike.tensor_file import parse


def _fits(path: Path) -> bool:
    return path.suffix.lower() == ".safetensors" and path.is_file()


def _parts(path: Path, reading: Reading) -> Parts:
    tensors, _ = parse(files.read(path), path)
    return parts_of_arrays(path, list(tensors), tensors.__getitem__, reading)


READER = Reader("safetensors", ".safetensors with tensors named as in .npz", _fits, _parts)
