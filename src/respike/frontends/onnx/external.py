"""Weights that a model keeps in files of their own."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx

from respike.errors import InvalidFile


def embed(model: onnx.ModelProto, tensors: Iterable[onnx.TensorProto], folder: Path) -> None:
    """Read the external data of `tensors` into them. It must lie in `folder`, the model's own, in ordinary files.

    Together they may not claim more bytes than the files hold, so that a small file cannot stand for a large network.
    """
    claims = [(t, *_claim(t, folder)) for t in tensors if t.external_data or t.data_location == t.EXTERNAL]
    held = sum(file.stat().st_size for file in {file for _, file, _, _ in claims})
    if sum(length for *_, length in claims) > held:
        raise InvalidFile("the model claims more weights than its files hold")
    for tensor, file, offset, length in claims:
        with file.open("rb") as data:
            data.seek(offset)
            tensor.raw_data = data.read(length)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _claim(tensor: onnx.TensorProto, folder: Path) -> tuple[Path, int, int]:
    """The file of a tensor's data, where in it the data begin, and how many bytes they are."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    file = _file(tensor.name, entries.get("location", ""), folder)
    size = file.stat().st_size
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", _bytes(tensor)))
    except ValueError:
        raise InvalidFile(f"the place of the weights {tensor.name!r} is not a number") from None
    if offset < 0 or length != _bytes(tensor) or offset + length > size:
        raise InvalidFile(f"the weights {tensor.name!r} do not fit into {file.name!r}; it is truncated or damaged")
    return file, offset, length


def _file(name: str, location: str, folder: Path) -> Path:
    """The ordinary file below `folder` that `location` names."""
    parts = PurePosixPath(location).parts
    outside = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor or "\\" in location
    if not parts or outside or ".." in parts or "\0" in location:
        raise InvalidFile(f"the weights {name!r} lie at {location!r}, outside of the model's own folder")
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise InvalidFile(f"the weights {name!r} lie behind a link, {location!r}; put the file there itself")
    if not path.is_file():
        raise InvalidFile(f"the file {location!r}, which holds the weights {name!r}, is not beside the model")
    if os.stat(path).st_nlink > 1:
        raise InvalidFile(f"the weights {name!r} lie in {location!r}, which is linked elsewhere too; copy the file")
    return path


def _bytes(tensor: onnx.TensorProto) -> int:
    try:
        size = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, ValueError):
        raise InvalidFile(f"the weights {tensor.name!r} are of no number type") from None
    if any(n < 0 for n in tensor.dims):
        raise InvalidFile(f"the weights {tensor.name!r} have a negative size")
    return int(math.prod(tensor.dims) * size)
