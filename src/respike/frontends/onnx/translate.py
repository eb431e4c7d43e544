"""From an ONNX graph to a `Network`, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
import torch
from torch import Tensor

from respike.errors import InvalidFile, InvalidNetwork
from respike.frontends.nodes import Nodes, check_refused, check_weights
from respike.frontends.onnx.call import BATCH, Operator, Refused, Result, Signal
from respike.frontends.onnx.constants import FOLDS, read
from respike.frontends.onnx.operators import OPERATORS, advice
from respike.frontends.onnx.patterns import find_activations
from respike.frontends.onnx.reading import opset
from respike.ir import Activation, Input, Network, Node

_LOST = object()
"""Stands for the value of an operator that was refused: what reads it cannot be judged."""


def translate(
    model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype, batch: int | None, origin: str
) -> tuple[Network, dict[str, str]]:
    """The network of a graph, and for each of its nodes the value of the graph that is the same.

    `shapes` are those of one sample of each input; `batch` is the batch size that the graph is fixed to. Raises
    `UnsupportedOperator` with all that cannot be converted, and `InvalidNetwork` for weights that are not finite.
    """
    walk = _Walk(model, dtype, BATCH if batch is None else batch)
    for name, shape in shapes.items():
        walk.input(name, shape)
    for node in walk.needed():
        walk.visit(node)
    check_refused(walk.refused)
    network = Network(tuple(walk.nodes.listed), walk.outputs(), origin)
    check_weights(network)
    return network, walk.sources


class _Walk:
    """What is known so far: the value of each name, the nodes emitted, the operators refused."""

    def __init__(self, model: onnx.ModelProto, dtype: torch.dtype, batch: int) -> None:
        self.graph, self.opset, self.dtype, self.batch = model.graph, opset(model), dtype, batch
        self.activations = find_activations(model.graph)
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.values: dict[str, Any] = {}
        self.nodes = Nodes()
        self.sources: dict[str, str] = {}
        self.refused: dict[str, str] = {}

    def input(self, name: str, shape: tuple[int, ...]) -> None:
        """An input of the network."""
        self.values[name] = self.emit(Input(name, (), shape))
        self.sources[self.values[name].name] = name

    def needed(self) -> list[onnx.NodeProto]:
        """The nodes that the outputs depend on, in order."""
        wanted = {output.name for output in self.graph.output}
        needed = []
        for node in reversed(self.graph.node):
            if wanted & set(node.output):
                wanted.update(self.reads(node))
                needed.append(node)
        return needed[::-1]

    def reads(self, node: onnx.NodeProto) -> list[str]:
        """The values that a node is computed of, several nodes back where they are one activation."""
        found = self.activations.get(node.output[0])
        return list(node.input) if found is None else [found[1]]

    def emit(self, node: Node) -> Signal:
        """Append a node to the network under a name of its own; refused where its inputs do not fit."""
        name = self.nodes.emit(node)
        return Signal(name, self.nodes.shape(name))

    def visit(self, node: onnx.NodeProto) -> None:
        """Find the values of one operator, or note why it cannot be converted."""
        name = node.name or node.output[0]
        try:
            results = self.results(node, name)
        except Refused as reason:
            self.refused.setdefault(f"{name} ({node.op_type})", str(reason))
            results = (_LOST,) * len(node.output)
        for output, value in zip(node.output, results, strict=False):
            self.values[output] = value
            if isinstance(value, Signal) and not value.batch:
                self.sources.setdefault(value.name, output)

    def results(self, node: onnx.NodeProto, name: str) -> tuple[Any, ...]:
        """The values that a node gives."""
        inputs = [self.value(read) for read in self.reads(node)]
        is_constant = all(value is None or isinstance(value, Tensor) for value in inputs)
        if not is_constant and node.op_type not in OPERATORS and node.output[0] not in self.activations:
            raise Refused(advice(node.op_type))
        if any(value is _LOST for value in inputs):
            return (_LOST,) * len(node.output)
        if (found := self.activations.get(node.output[0])) is not None and not is_constant:
            return (self.emit(Activation(name, (inputs[0].name,), found[0])),)
        if is_constant and node.op_type not in FOLDS:
            is_known = node.op_type in OPERATORS
            raise Refused(
                "computes a constant; simplify the file first (onnxsim)" if is_known else advice(node.op_type)
            )
        translator = FOLDS[node.op_type] if is_constant else OPERATORS[node.op_type]
        try:
            result: Result = translator(self.operator(node, name), *inputs)
        except (RuntimeError, IndexError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise Refused(f"its inputs do not fit together: {(str(error).splitlines() or ['?'])[0]}") from error
        return tuple(map(self.signal, result if isinstance(result, tuple | list) else (result,)))

    def operator(self, node: onnx.NodeProto, name: str) -> Operator:
        """What a translator is told of a node."""
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        return Operator(name, node.op_type, self.opset, attributes, self.dtype, self.batch, len(node.output), self.emit)

    def value(self, name: str) -> Any:
        """The value of a name; None for an optional input that is left out."""
        if name and name not in self.values:
            if name not in self.initializers:
                raise Refused(f"reads {name!r}, a value that is not read by respike (a second result of an operator?)")
            self.values[name] = read(self.initializers[name], self.dtype)
        return self.values[name] if name else None

    def signal(self, result: Signal | Tensor | str) -> Signal | Tensor:
        """A translator's answer with its shape."""
        return Signal(result, self.nodes.shape(result)) if isinstance(result, str) else result

    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        values = [self.values.get(output.name) for output in self.graph.output]
        if not values:
            raise InvalidFile("the model has no outputs")
        names = [value.name for value in values if isinstance(value, Signal) and not value.batch]
        if len(names) != len(values):
            raise InvalidNetwork(
                "an output does not depend on the input, or has not the batch first; remove it from the model"
            )
        return tuple(names)
