"""Files of converted networks: one safetensors file whose header carries the rest as JSON. Nothing is ever executed.

Every value is a frozen dataclass of a closed set, written as its type's name and its fields; tensors are written by
number. Reading makes the same dataclasses again: every field must have the type that its annotation says, and the
dataclasses' own checks refuse what does not fit.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, get_type_hints

import torch
from torch import Tensor

from respike import coding, files, ir, neurons, plan, schedule, tensor_file
from respike.errors import InvalidFile, InvalidNetwork, RespikeError
from respike.ir import Network
from respike.plan import Plan
from respike.typed import of_type

FORMAT = "respike 1"
LARGEST = 2**28
"""Neurons that a layer has at most: those of 1 GiB."""
_MODULES = (ir, neurons, coding, schedule, plan)
_TYPES: Mapping[str, type[Any]] = {
    name: value
    for module in _MODULES
    for name, value in vars(module).items()
    if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__.startswith("respike.")
}


def _type(name: str) -> type[Any] | None:
    """The type of a name: one of ours, or a registered neuron."""
    return _TYPES.get(name) or neurons.KNOWN.get(name)


def write(path: str | os.PathLike[str], network: Network, plan: Plan, *, force: bool = True) -> None:
    """Writes a network and its plan to one file, or nothing at all; `force` replaces a file that is there."""
    tensors: _Numbered = {}
    tree = {"network": _encode(network, tensors), "plan": _encode(plan, tensors)}
    plain = {str(number): _plain(tensor) for number, tensor in tensors.values()}
    content = tensor_file.pack(plain, {"format": FORMAT, "respike": json.dumps(tree)})
    files.write(Path(path), content, force=force)


def read(path: str | os.PathLike[str]) -> tuple[Network, Plan]:
    """Reads what `write` wrote; what is read does not depend on the file any more.

    Raises `InvalidFile` where the file is missing, damaged, or something else.
    """
    file = Path(path)
    tensors, header = tensor_file.parse(files.read(file), file)
    if header.get("format") != FORMAT:
        raise InvalidFile(f"{file} is a safetensors file, but no converted network of format {FORMAT!r}")
    try:
        tree = json.loads(header["respike"])
        network = of_type(Network, _decode(tree["network"], tensors), "network")
        plan = of_type(Plan, _decode(tree["plan"], tensors), "plan")
        _prove(network)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, RespikeError) as error:
        raise InvalidFile(f"{file} does not describe a converted network: {error}") from error
    return network, plan


_Numbered: TypeAlias = dict[int, tuple[int, Tensor]]
"""Tensors with their numbers in the file, by identity: those that nodes share are written once."""


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()


def _encode(value: Any, tensors: _Numbered) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return {"float": value.hex()}
        case Tensor():
            number, _ = tensors.setdefault(id(value), (len(tensors), value))
            return {"tensor": number}
        case tuple() | list():
            return [_encode(item, tensors) for item in value]
        case Mapping():
            return {"mapping": {str(key): _encode(item, tensors) for key, item in value.items()}}
        case _ if _type(type(value).__name__) is type(value):
            fields = [part.name for part in dataclasses.fields(value) if part.init]
            return {"type": type(value).__name__} | {name: _encode(getattr(value, name), tensors) for name in fields}
        case neurons.Neuron():
            kind = type(value).__name__
            raise InvalidFile(f"a neuron of your own must be registered to be saved: respike.neurons.register({kind})")
        case _:
            raise InvalidFile(f"a {type(value).__name__} cannot be saved")


def _decode(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    match tree:
        case None | bool() | int() | str():
            return tree
        case list():
            return tuple(_decode(item, tensors) for item in tree)
        case {"float": str(number)}:
            return float.fromhex(number)
        case {"tensor": int(number)}:
            return tensors[str(number)]
        case {"mapping": dict(items)}:
            return {key: _decode(item, tensors) for key, item in items.items()}
        case {"type": str(name), **fields}:
            kind = _type(name)
            if kind is None:
                raise ValueError(
                    f"{name!r} is not known here; neurons of your own must be registered (neurons.register)"
                )
            wanted = _hints(kind)
            given = {str(key): _decode(item, tensors) for key, item in fields.items()}
            return kind(**{key: of_type(wanted[key], value, f"{name}.{key}") for key, value in given.items()})
        case _:
            raise ValueError(f"cannot read {str(tree)[:60]!r}")


def _hints(kind: type[Any]) -> Mapping[str, Any]:
    """The types of a dataclass's fields; a neuron of the user's own may have annotations that cannot be looked up."""
    try:
        return get_type_hints(kind)
    except NameError:
        return {part.name: Any for part in dataclasses.fields(kind)}


def _prove(network: Network) -> None:
    """Raises `InvalidNetwork` unless all tensors are finite numbers of one type, and the network runs on an image."""
    for node in network.nodes:
        for tensor in ir.tensors(node):
            if tensor.dtype != network.dtype or not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
                raise InvalidNetwork(f"layer {node.name!r} has tensors that are no finite numbers of {network.dtype}")
        if network.neurons(node.name) > LARGEST:
            raise InvalidNetwork(f"layer {node.name!r} has {network.neurons(node.name):,} neurons, which fit nowhere")
    network(*(torch.zeros(1, *entry.shape, dtype=network.dtype) for entry in network.inputs))
