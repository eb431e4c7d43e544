"""Files of converted networks: one safetensors file whose header carries the rest as JSON. Nothing is ever executed.

Every value is a frozen dataclass of a closed set, written as its type's name and its fields; tensors are written by
number. Reading makes the same dataclasses again, whose own checks then refuse what does not fit.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import safetensors
import torch
from safetensors.torch import save
from torch import Tensor

from respike import coding, files, ir, neurons, plan, schedule
from respike.errors import InvalidFile, RespikeError
from respike.ir import Network
from respike.plan import Plan, Site

FORMAT = "respike 1"
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


def write(path: str | os.PathLike[str], network: Network, plan: Plan) -> None:
    """Writes a network and its plan to one file, or nothing at all."""
    tensors: _Numbered = {}
    tree = {"network": _encode(network, tensors), "plan": _encode(plan, tensors)}
    header = {"format": FORMAT, "respike": json.dumps(tree)}
    files.write(Path(path), save({str(number): _plain(tensor) for number, tensor in tensors.values()}, header))


def read(path: str | os.PathLike[str]) -> tuple[Network, Plan]:
    """Reads what `write` wrote. Raises `InvalidFile` where the file is missing, truncated, or something else."""
    try:
        with safetensors.safe_open(os.fspath(path), framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InvalidFile(f"there is no file {os.fspath(path)}") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise InvalidFile(f"{os.fspath(path)} is corrupted, truncated, or no converted network: {error}") from error
    if header.get("format") != FORMAT:
        raise InvalidFile(f"{os.fspath(path)} is a safetensors file, but no converted network of format {FORMAT!r}")
    try:
        tree = json.loads(header["respike"])
        network, plan = _decode(tree["network"], tensors), _decode(tree["plan"], tensors)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, RespikeError) as error:
        raise InvalidFile(f"{os.fspath(path)} does not describe a converted network: {error}") from error
    if not isinstance(network, Network) or not isinstance(plan, Plan) or not isinstance(plan.sites, Mapping):
        raise InvalidFile(f"{os.fspath(path)} does not describe a converted network")
    if not all(isinstance(site, Site) for site in plan.sites.values()):
        raise InvalidFile(f"{os.fspath(path)} does not describe a converted network: a site is something else")
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
            return torch.as_tensor(tensors[str(number)])
        case {"mapping": dict(items)}:
            return {key: _decode(item, tensors) for key, item in items.items()}
        case {"type": str(name), **fields}:
            kind = _type(name)
            if kind is None:
                raise ValueError(
                    f"{name!r} is not known here; neurons of your own must be registered (neurons.register)"
                )
            return kind(**{str(key): _decode(item, tensors) for key, item in fields.items()})
        case _:
            raise ValueError(f"cannot read {str(tree)[:60]!r}")
