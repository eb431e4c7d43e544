"""Where a model's weights come from: a live model, the weights of a `.keras` file, an `.h5` file of Keras 2 or 3.

All three give the same: for each layer, by the names that lead to it, its variables by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from respike.errors import InvalidFile, InvalidNetwork
from respike.frontends.keras.clean import INPUT
from respike.frontends.keras.graph import Layer, Model, leaves
from respike.frontends.keras.variables import NEVER_TRAINED, places, variables

if TYPE_CHECKING:
    import h5py

Path: TypeAlias = tuple[str, ...]
Weights: TypeAlias = Mapping[Path, Mapping[str, Tensor]]


def live_weights(model: Model, live: Any) -> Weights:
    """Copies of the variables of a live model's layers."""
    found: dict[Path, Mapping[str, Tensor]] = {}
    for path, layer in leaves(model):
        if names := variables(layer.kind, layer.options):
            owner = live
            for name in path:
                owner = owner.get_layer(name)
            arrays = [_numpy(variable) for variable in owner.weights]
            found[path] = _named(path, names, arrays)
    return found


def _numpy(variable: Any) -> np.ndarray[Any, Any]:
    import keras

    array: np.ndarray[Any, Any] = keras.ops.convert_to_numpy(variable)
    return array


def keras_weights(model: Model, file: h5py.File) -> Weights:
    """The variables in the `model.weights.h5` of a `.keras` file, which names layers by their classes."""
    return dict(_walk_groups(model, (), "", file))


def _walk_groups(model: Model, path: Path, place: str, file: h5py.File) -> Iterator[tuple[Path, Mapping[str, Tensor]]]:
    used: dict[str, int] = {}
    for layer in model.layers:
        if layer.is_operation or (layer.kind == INPUT and model.kind == "Sequential"):
            continue
        base = _snake_case(layer.kind)
        used[base] = used.get(base, -1) + 1
        inner = f"{place}layers/{base}_{used[base]}" if used[base] else f"{place}layers/{base}"
        here = (*path, layer.name)
        if layer.model is not None:
            yield from _walk_groups(layer.model, here, f"{inner}/", file)
        elif names := variables(layer.kind, layer.options):
            arrays = [_dataset(file, f"{inner}/{place}") for place in places(layer.kind, names)]
            yield here, _named(here, names, arrays)


def _snake_case(kind: str) -> str:
    """`Conv2D` as Keras writes it in paths, `conv2d`; `SeparableConv2D` is `separable_conv2d`."""
    parted = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub("([a-z])([A-Z])", r"\1_\2", parted).lower()


def h5_weights(model: Model, group: h5py.Group) -> Weights:
    """The variables in the `model_weights` of an `.h5` file: by layer, those of a nested model in one row.

    A nested model's row holds what is trained first, layer by layer, and then all the rest.
    """
    found: dict[Path, Mapping[str, Tensor]] = {}
    for layer in model.layers:
        slots = list(_slots(layer))
        if not slots:
            continue
        owner = _member(group, layer.name)
        stored = _names(owner)
        if len(stored) != len(slots):
            raise InvalidFile(f"layer {layer.name!r} has {len(slots)} variables, the file holds {len(stored)}")
        row = sorted(range(len(slots)), key=lambda number: not slots[number][2])
        arrays = {slots[slot][:2]: _dataset(owner, name) for slot, name in zip(row, stored, strict=True)}
        for path, part in _of(layer):
            if names := variables(part.kind, part.options):
                found[path] = _named(path, names, [arrays[path, name] for name in names])
    return found


def _of(layer: Layer) -> Iterator[tuple[Path, Layer]]:
    if layer.model is None:
        yield (layer.name,), layer
    else:
        yield from leaves(layer.model, (layer.name,))


def _slots(layer: Layer) -> Iterator[tuple[Path, str, bool]]:
    """Each variable of a layer or nested model: the layer it belongs to, its name, whether it is trained."""
    for path, part in _of(layer):
        for name in variables(part.kind, part.options):
            yield path, name, name not in NEVER_TRAINED and part.options.get("trainable", True)


def _names(group: h5py.Group) -> list[str]:
    """The attribute `weight_names`, which Keras cuts into pieces where it is long."""
    keys = ["weight_names"] if "weight_names" in group.attrs else [f"weight_names{n}" for n in range(len(group.attrs))]
    values = [value for key in keys if key in group.attrs for value in np.asarray(group.attrs[key]).tolist()]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _member(group: h5py.Group, name: str) -> h5py.Group:
    """A group inside of a group, reached through nothing but hard links."""
    import h5py

    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or group.get(part, getlink=True) is None:
            raise InvalidFile(f"the file holds no weights of {name!r}")
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise InvalidFile(f"{name!r} is a link to another place or file; respike does not follow it")
        group = group[part]
    return group


def _dataset(group: h5py.Group, name: str) -> np.ndarray[Any, Any]:
    """An array that lies in the file itself, as large as it says: nothing compressed, virtual or kept elsewhere."""
    import h5py

    data = _member(group, name)
    if not isinstance(data, h5py.Dataset):
        raise InvalidFile(f"{name!r} is no array of weights")
    layout = data.id.get_create_plist()
    if data.is_virtual or data.external or layout.get_nfilters():
        raise InvalidFile(f"{name!r} is compressed, virtual or kept in another file; save the model again with Keras")
    if data.dtype.kind not in "fiu" or data.id.get_storage_size() != data.nbytes:
        raise InvalidFile(f"{name!r} says {data.nbytes} bytes and holds {data.id.get_storage_size()} bytes of numbers")
    array: np.ndarray[Any, Any] = data[()]
    return array


def _named(path: Path, names: Sequence[str], arrays: Sequence[np.ndarray[Any, Any]]) -> Mapping[str, Tensor]:
    if len(names) != len(arrays):
        raise InvalidNetwork(
            f"layer {'/'.join(path)!r} has {len(arrays)} variables where {len(names)} are expected "
            f"({', '.join(names)}); build the model first, and take out adapters and quantisation"
        )
    return {name: torch.from_numpy(np.array(array)) for name, array in zip(names, arrays, strict=True)}
