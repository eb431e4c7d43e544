"""Values whose fields have the types that their annotations say: what JSON gives is checked before it is used."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from respike.errors import InvalidFile, InvalidOption

_T = TypeVar("_T")


def has_type(kind: Any, value: Any) -> bool:
    """Whether a value is of the type that an annotation says; whole numbers are real ones, switches are no numbers.

    Args:
        kind: a class, a union, `Any`, or a tuple, sequence or mapping (by names) of them.
        value: the value.
    """
    parts = get_args(kind)
    match get_origin(kind):
        case None if kind is float:
            return isinstance(value, float | int) and not isinstance(value, bool)
        case None if kind is int:
            return isinstance(value, int) and not isinstance(value, bool)
        case None:
            return kind is Any or isinstance(value, NoneType if kind is None else kind)
        case typing.Union | types.UnionType:
            return any(has_type(part, value) for part in parts)
        case origin if origin is tuple:
            if not isinstance(value, tuple):
                return False
            wanted = (parts[0],) * len(value) if parts[1:] == (...,) else parts
            return len(wanted) == len(value) and all(map(has_type, wanted, value))
        case origin if issubclass(origin, Mapping):
            return isinstance(value, origin) and all(has_type(parts[1], item) for item in value.values())
        case origin:
            return isinstance(value, origin) and all(has_type(parts[0], item) for item in value)


def of_type(kind: Any, value: Any, where: str) -> Any:
    """The value, once it is of the type that an annotation says.

    Args:
        kind: the annotation.
        value: the value.
        where: what to call it in messages.

    Raises:
        TypeError: it is of another type.
    """
    if not has_type(kind, value):
        raise TypeError(f"{where} is {str(value)[:60]!r}")
    return value


def check_kind(name: str, value: object, kind: type, remedy: str) -> None:
    """Refuses an argument that is something else altogether.

    Args:
        name: of the argument.
        value: what was given.
        kind: what it must be.
        remedy: how to get one.

    Raises:
        InvalidOption: it is none.
    """
    if not isinstance(value, kind):
        raise InvalidOption(f"{name} must be a {kind.__name__}, not a {type(value).__name__}: {remedy}")


NETWORK = "read a model first, network = respike.load(model, images[:2])"
SPIKING = "convert a network first, spiking = respike.SpikingNetwork(network, plan)"
PLAN = "a method makes one, plan = respike.methods.max_norm(network, images)"
"""How one gets what the verbs take."""


def of_json(kind: type[_T], text: str, name: str, what: str, beside: Collection[str] = ()) -> _T:
    """The dataclass whose fields stand in a JSON object.

    Args:
        kind: the dataclass; fields may be dataclasses in their turn, or tuples of them.
        text: the JSON. Names in it that are no fields are refused.
        name: what to call the text in messages.
        what: what it should be, in words ("a training record").
        beside: names in the JSON that are no fields, and left out.

    Raises:
        InvalidFile: no JSON, fields that are missing or unknown, or values of another type.
    """
    try:
        tree = json.loads(text)
        if isinstance(tree, dict):
            tree = {key: part for key, part in tree.items() if key not in beside}
        value: _T = _made(kind, tree, kind.__name__)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise InvalidFile(f"{name} is not {what} of this version: {error}") from error
    return value


def _made(kind: Any, tree: Any, where: str) -> Any:
    """What JSON says, as the annotation wants it."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        if not isinstance(tree, dict):
            raise TypeError(f"{where} is {str(tree)[:60]!r}")
        if unknown := [name for name in tree if name not in hints]:
            raise TypeError(f"{where} has no {unknown[0][:60]!r}")
        return kind(**{name: _made(hints[name], value, f"{where}.{name}") for name, value in tree.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(tree)
    parts = get_args(kind)
    if get_origin(kind) in (typing.Union, types.UnionType) and tree is not None:
        inner = [part for part in parts if dataclasses.is_dataclass(part)]
        return _made(inner[0], tree, where) if inner else of_type(kind, tree, where)
    if get_origin(kind) is tuple and isinstance(tree, Sequence) and not isinstance(tree, str):
        each = (parts[0],) * len(tree) if parts[1:] == (...,) else parts
        if len(each) != len(tree):
            raise TypeError(f"{where} has {len(tree)} values")
        return tuple(_made(part, item, where) for part, item in zip(each, tree, strict=True))
    return of_type(kind, tree, where)
