"""From a graph of Keras layers and its weights to a `Network`, call by call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from respike.errors import InvalidData, InvalidFile, InvalidNetwork
from respike.frontends.keras.call import Draft, LayerCall
from respike.frontends.keras.graph import Keyword, Layer, Model, Value
from respike.frontends.keras.layers import LAYERS, OPERATIONS
from respike.frontends.keras.weights import Weights
from respike.frontends.nodes import check_refused, check_weights
from respike.frontends.semantics import Layout, Refused, Signal
from respike.ir import Input, Network

_LOST = object()
"""Stands for the value of a call that was refused: what reads it cannot be judged."""


def translate(model: Model, weights: Weights, shapes: Sequence[tuple[int, ...]]) -> tuple[Network, dict[str, Signal]]:
    """The network of a graph, and for each top-level layer that is called once its value.

    `shapes` are the inputs' per-sample shapes. Raises `UnsupportedOperator` with all that cannot be converted.
    """
    walk = _Walk(weights, _dtype(model, weights))
    given = [walk.input(model[value.layer], shape) for value, shape in _paired(model, shapes)]
    values = walk.run(model, given, ())
    check_refused(walk.refused)
    outputs = tuple(walk.draft.plain(values[value]).name for value in model.outputs)
    network = Network(tuple(walk.draft.listed), outputs, model.name)
    check_weights(network)
    single = {layer.name for layer in model.layers if len(layer.calls) == 1 and layer.model is None}
    return network, {v.layer: signal for v, signal in values.items() if v.layer in single and v.output == 0}


def _paired(model: Model, shapes: Sequence[tuple[int, ...]]) -> Iterator[tuple[Value, tuple[int, ...]]]:
    if len(shapes) != len(model.inputs):
        raise InvalidData(f"the network has {len(model.inputs)} inputs, {len(shapes)} were given")
    yield from zip(model.inputs, shapes, strict=True)


def _dtype(model: Model, weights: Weights) -> torch.dtype:
    """The type of the weights, or of the inputs where there are none: float64, or else float32."""
    types = {str(t.dtype).removeprefix("torch.") for variables in weights.values() for t in variables.values()}
    types = types or {str(model[value.layer].options.get("dtype")) for value in model.inputs}
    return torch.float64 if "float64" in types else torch.float32


class _Walk:
    """The draft so far, and what was refused."""

    def __init__(self, weights: Weights, dtype: torch.dtype) -> None:
        self.weights = weights
        self.dtype = dtype
        self.draft = Draft()
        self.refused: dict[str, str] = {}

    def input(self, layer: Layer, shape: tuple[int, ...]) -> Signal:
        """An input of the network; whole numbers are for embeddings."""
        name = self.draft.emit(Input(layer.name, (), shape))
        return Signal(name, Layout(shape), is_index=str(layer.options.get("dtype", "")).startswith(("int", "uint")))

    def run(self, model: Model, given: Sequence[Any], path: tuple[str, ...]) -> dict[Value, Any]:
        """The value of each call of a model. Keras does not store calls in the order in which they can be made."""
        values: dict[Value, Any] = dict(zip(model.inputs, given, strict=True))
        waiting = [(layer, number, arguments) for layer in model.layers for number, arguments in enumerate(layer.calls)]
        while waiting:
            left = []
            for layer, number, arguments in waiting:
                if all(value in values for value in _leaves(arguments)):
                    for output, value in enumerate(self.call(layer, _filled(arguments, values), path)):
                        values[Value(layer.name, number, output)] = value
                else:
                    left.append((layer, number, arguments))
            if len(left) == len(waiting):
                raise InvalidFile(f"the configuration is a loop, or lacks an input, at {left[0][0].name!r}")
            waiting = left
        if missing := [value for value in model.outputs if value not in values]:
            raise InvalidFile(f"the configuration has no layer {missing[0].layer!r} to give an output")
        return values

    def call(self, layer: Layer, arguments: tuple[Any, ...], path: tuple[str, ...]) -> tuple[Any, ...]:
        """The outputs of one call."""
        here = (*path, layer.name)
        signals = list(_leaves(arguments))
        if layer.model is not None:
            values = self.run(layer.model, signals, here)
            return tuple(values[value] for value in layer.model.outputs)
        if any(signal is _LOST for signal in signals):
            return (_LOST,)
        translator = (OPERATIONS if layer.is_operation else LAYERS)[layer.kind]
        try:
            result = translator(self._call(layer, here), *arguments)
            return result if isinstance(result, tuple) else (result,)
        except Refused as reason:
            self.refused.setdefault(f"{'/'.join(here)} ({layer.kind})", str(reason))
            return (_LOST,)
        except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError) as error:
            first = (str(error).splitlines() or [""])[0]
            raise InvalidNetwork(
                f"layer {'/'.join(here)!r} ({layer.kind}) has options that make no sense "
                f"({type(error).__name__}: {first})"
            ) from None

    def _call(self, layer: Layer, path: tuple[str, ...]) -> LayerCall:
        variables = {name: t.to(self.dtype).contiguous() for name, t in self.weights.get(path, {}).items()}
        where = "/".join(path), self.dtype, torch.device("cpu"), self.draft
        return LayerCall(*where, kind=layer.kind, options=layer.options, variables=variables)


def _leaves(arguments: Any) -> Iterator[Any]:
    """What a call is given, without the numbers."""
    match arguments:
        case tuple():
            for item in arguments:
                yield from _leaves(item)
        case int() | float() | slice() | Keyword() | None:
            return
        case _:
            yield arguments


def _filled(arguments: Any, values: Mapping[Value, Any]) -> Any:
    """Arguments with each reference replaced by its value."""
    match arguments:
        case tuple():
            return tuple(_filled(item, values) for item in arguments)
        case Value():
            return values[arguments]
        case _:
            return arguments
