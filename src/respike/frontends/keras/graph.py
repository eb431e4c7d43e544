"""A clean configuration as a graph of calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from respike.errors import InvalidFile
from respike.frontends.keras.clean import INPUT, MODELS, Config, clean

_NOT_READ = (
    *("attention_mask", "query_mask", "value_mask", "key_mask", "use_causal_mask", "return_attention_scores"),
    "initial_state",
)


@dataclass(frozen=True)
class Value:
    """One output of one call of a layer."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Keyword:
    """An argument that a layer is given by name and that changes what it computes; no layer reads one."""

    name: str


@dataclass(frozen=True)
class Layer:
    """A layer, an operation (`is_operation`) or, with `model`, a nested model; `calls` holds each call's arguments."""

    kind: str
    name: str
    options: Mapping[str, Any]
    calls: tuple[tuple[Any, ...], ...]
    model: Model | None = None
    is_operation: bool = False


@dataclass(frozen=True)
class Model:
    """A graph of calls. `config` is the clean configuration that it was read from."""

    kind: str
    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    input_shape: tuple[int | None, ...] | None
    config: Mapping[str, Any] = field(repr=False)

    def __getitem__(self, name: str) -> Layer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)


def read_config(kind: str, config: Config, *, keras2: bool = False) -> Model:
    """The graph of a `Sequential` or `Functional` configuration.

    Raises `UnsupportedOperator` listing every layer outside of the closed list, `InvalidFile` for a malformed one.
    """
    try:
        return _model(clean(kind, config, keras2=keras2), keras2)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InvalidFile(f"the configuration is not one that Keras writes ({type(error).__name__}: {error})") from None


def leaves(model: Model, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Layer]]:
    """Every layer that is no model, with the names that lead to it."""
    for layer in model.layers:
        if layer.model is None:
            yield (*path, layer.name), layer
        else:
            yield from leaves(layer.model, (*path, layer.name))


def _model(clean: Config, keras2: bool) -> Model:
    kind, config = clean["class_name"], clean["config"]
    parts = [_layer(layer, keras2) for layer in config["layers"]]
    if keras2:
        nested = {part.name for part in parts if part.model is not None}
        parts = [dataclasses.replace(part, calls=_renumbered(part.calls, nested)) for part in parts]
    first = config["layers"][0]["config"] if parts else {}
    shape = first.get("batch_shape") or config.get("build_input_shape")
    if kind == "Sequential":
        layers, inputs, outputs = _chain(parts)
    else:
        layers = tuple(parts)
        inputs = tuple(Value(*value) for value in _values(config["input_layers"]))
        counted = {p.name for p in parts if p.model is not None and (keras2 or p.kind == "Functional")}
        outputs = _renumbered(tuple(Value(*value) for value in _values(config["output_layers"])), counted)
    if len({layer.name for layer in layers}) != len(layers):
        raise ValueError("two layers have one name")
    return Model(kind, str(config["name"]), layers, inputs, outputs, None if shape is None else tuple(shape), clean)


def _layer(clean: Config, keras2: bool) -> Layer:
    kind, config = clean["class_name"], clean["config"]
    calls = tuple(_arguments(call) for call in clean.get("inbound_nodes", ()))
    if kind in MODELS.values():
        model = _model(clean, keras2)
        return Layer(kind, str(clean.get("name", config["name"])), {}, calls, model)
    is_operation = ".ops." in clean["module"]
    return Layer(kind, str(clean.get("name", config["name"])), config, calls, None, is_operation)


def _chain(parts: list[Layer]) -> tuple[tuple[Layer, ...], tuple[Value, ...], tuple[Value, ...]]:
    """The layers of a `Sequential`, each calling the one before; an input in front where there is none."""
    if not parts:
        raise ValueError("a Sequential without layers")
    if parts[0].kind != INPUT:
        taken = {part.name for part in parts}
        name = next(name for name in ("input", "input_layer", "network_input") if name not in taken)
        parts = [Layer(INPUT, name, {}, ()), *parts]
    layers = [parts[0]]
    for part in parts[1:]:
        before = Value(layers[-1].name, 0, 0)
        layers.append(Layer(part.kind, part.name, part.options, ((before,),), part.model))
    return tuple(layers), (Value(layers[0].name, 0, 0),), (Value(layers[-1].name, 0, 0),)


def _values(tree: Any) -> Iterator[tuple[str, int, int]]:
    """The `[layer, call, output]` of a nested structure."""
    match tree:
        case [str(layer), int(call), int(output)]:
            yield layer, call, output
        case dict():
            for key in sorted(tree):
                yield from _values(tree[key])
        case list():
            for item in tree:
                yield from _values(item)
        case _:
            raise ValueError(f"{tree!r} is no value of a layer")


def _renumbered(arg: Any, names: Collection[str]) -> Any:
    """Arguments whose references to calls of the named models count from 0, where Keras counted from 1."""
    match arg:
        case Value(layer=layer, call=call) if layer in names:
            return dataclasses.replace(arg, call=call - 1)
        case tuple():
            return tuple(_renumbered(item, names) for item in arg)
        case _:
            return arg


def _arguments(call: Any) -> tuple[Any, ...]:
    """The arguments of one call: values, numbers, and lists of them."""
    match call:
        case {"args": list(args), "kwargs": dict(kwargs)}:
            given = (_argument(arg) for arg in args)
            named = (
                Keyword(key) if key in _NOT_READ else _argument(arg)
                for key, arg in kwargs.items()
                if key not in ("mask", "training") and arg is not None and arg is not False
            )
            return (*given, *named)
        case list():
            values = tuple(_legacy(item) for item in call)
            return (values[0],) if len(values) == 1 else (values,)
        case _:
            raise ValueError("a layer is called with something else than layers' values")


def _legacy(item: Any) -> Value:
    match item:
        case [str(layer), int(call), int(output), *rest] if not any(rest):
            return Value(layer, call, output)
        case _:
            raise ValueError("a layer is called with keyword arguments, which are not supported")


def _argument(arg: Any) -> Any:
    match arg:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, call, output]}}:
            return Value(str(layer), int(call), int(output))
        case {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}:
            return slice(start, stop, step)
        case {"class_name": "__tuple__", "config": {"value": list(items)}} | list(items):
            return tuple(_argument(item) for item in items)
        case int() | float() | None:
            return arg
        case _:
            raise ValueError(f"a layer is called with {str(arg)[:60]!r}")
