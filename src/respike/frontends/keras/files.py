"""Reading `.keras` and `.h5` files. Only JSON and arrays are read; nothing in a file is run, imported or unpickled."""

from __future__ import annotations

import io
import json
import mmap
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from respike.errors import InvalidFile, RespikeError
from respike.files import check_plain
from respike.frontends.keras.clean import MODELS
from respike.frontends.keras.graph import Model, read_config
from respike.frontends.keras.weights import Weights, h5_weights, keras_weights
from respike.hdf5 import check_heaps

if TYPE_CHECKING:
    import h5py

SUFFIXES = (".keras", ".h5", ".hdf5")

_LARGEST_TEXT = 64 * 2**20
_LARGEST_WEIGHTS = 16 * 2**30
_LARGEST_RATIO = 20
"""Keras stores without compressing; weights that were compressed later shrink by a few per cent, JSON by some ten."""
_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"


def read_file(path: Path) -> tuple[Model, Weights]:
    """The graph and the weights in a `.keras` or `.h5` file.

    Raises `InvalidFile` (missing, damaged, a bomb, links to other files), `UnsupportedOperator` (layers that are not
    on the closed list, such as `Lambda` and custom classes; they are named and not looked into).
    """
    check_plain(path)
    try:
        return _read_keras(path) if path.suffix.lower() == ".keras" else _read_h5(path)
    except RespikeError:
        raise
    except ModuleNotFoundError:
        raise InvalidFile("files of Keras need h5py: pip install 'respike[keras]'") from None
    except Exception as error:  # a damaged file can fail anywhere in the readers of zip, JSON and HDF5
        first = (str(error).splitlines() or [""])[0]
        raise InvalidFile(f"{path.name!r} is damaged, or no model of Keras ({type(error).__name__}: {first})") from None


def _read_keras(path: Path) -> tuple[Model, Weights]:
    with zipfile.ZipFile(path) as archive:
        entries = _checked(archive)
        config = json.loads(_part(archive, entries, _CONFIG, _LARGEST_TEXT))
        metadata = json.loads(_part(archive, entries, _METADATA, _LARGEST_TEXT)) if _METADATA in entries else {}
        model = _model(config, str(metadata.get("keras_version", "3")))
        stored = io.BytesIO(_part(archive, entries, _WEIGHTS, _LARGEST_WEIGHTS))
    with _hdf5(stored) as file:
        return model, keras_weights(model, file)


def _checked(archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    """The archive's entries by name, once there is none but what Keras writes for a plain network."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) != len(archive.infolist()):
        raise InvalidFile("the archive holds two files of one name")
    if strange := [name for name in entries if name not in (_CONFIG, _WEIGHTS, _METADATA)]:
        raise InvalidFile(f"the archive holds more than Keras writes for a plain network: {strange[:5]}")
    if missing := [name for name in (_CONFIG, _WEIGHTS) if name not in entries]:
        raise InvalidFile(f"the archive lacks {missing[0]}")
    return entries


def _part(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], name: str, largest: int) -> bytes:
    """One file of the archive; never more than it says, and never much more than is stored."""
    entry = entries[name]
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InvalidFile(f"{name} is compressed in a way that Keras does not write")
    if entry.file_size > min(largest, _LARGEST_RATIO * entry.compress_size + 2**20):
        raise InvalidFile(
            f"{name} would unpack {entry.compress_size} bytes into {entry.file_size}, which no model of Keras does"
        )
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise InvalidFile(f"{name} has {len(content)} bytes or more where the archive says {entry.file_size}")
    return content


def _read_h5(path: Path) -> tuple[Model, Weights]:
    with _hdf5(path) as file:
        if "model_config" not in file.attrs:
            raise InvalidFile(
                f"{path.name!r} holds weights without the network (save_weights?); save the whole model, "
                "or build it in Python, load the weights and pass the model"
            )
        config, version = _text(file.attrs["model_config"]), _text(file.attrs.get("keras_version", "2"))
        model = _model(json.loads(config), version)
        return model, h5_weights(model, _group(file, "model_weights"))


def _group(file: h5py.File, name: str) -> h5py.Group:
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise InvalidFile(f"the file holds no {name!r} of its own")
    return file[name]


def _text(value: Any) -> str:
    text = value.decode() if isinstance(value, bytes) else str(value)
    if len(text) > _LARGEST_TEXT:
        raise InvalidFile(f"the configuration has {len(text)} characters, which no model of Keras does")
    return text


def _model(config: Any, version: str) -> Model:
    kind = str(config["class_name"])
    if kind not in MODELS:
        raise InvalidFile(
            f"the file holds a {kind}, a class of somebody's own; respike reads Sequential and functional models"
        )
    return read_config(kind, config["config"], keras2=version.startswith(("1.", "2.")))


@contextmanager
def _hdf5(source: Path | io.BytesIO) -> Iterator[h5py.File]:
    import h5py

    if isinstance(source, io.BytesIO):
        check_heaps(source.getvalue())  # which does not copy
    elif source.stat().st_size:
        with source.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            check_heaps(content)
    with h5py.File(source, "r") as file:
        yield file
