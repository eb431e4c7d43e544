"""From an ONNX graph to a `Network`, node by node."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import onnx
import torch
from torch import Tensor

from respike.errors import InvalidFile, UnsupportedOperator
from respike.frontends.constants import Allowance
from respike.frontends.nodes import Nodes, check_refused, check_weights
from respike.frontends.onnx.call import BATCH, Operator
from respike.frontends.onnx.constants import FOLDS, check_range, read, type_name
from respike.frontends.onnx.operators import OPERATORS, advice
from respike.frontends.onnx.patterns import find_activations
from respike.frontends.onnx.reading import opset
from respike.frontends.semantics import BRANCHES, Condition, Layout, Refused, Result, Signal, Translator, activations
from respike.ir import Input, Network

_LOST = object()
"""Stands for the value of an operator that was refused: what reads it cannot be judged."""


def translate(
    model: onnx.ModelProto,
    inputs: Mapping[str, tuple[tuple[int, ...], bool]],
    dtype: torch.dtype,
    batch: int | None,
    origin: str,
) -> tuple[Network, dict[str, str]]:
    """The network of a graph, and for each of its nodes the value of the graph that is the same.

    `inputs` has the shape of one sample of each input, and whether it holds whole numbers; `batch` is the batch size
    that the graph is fixed to. Raises `UnsupportedOperator` with all that cannot be converted, and `InvalidNetwork` for
    weights that are not finite.
    """
    walk = _Walk(model, dtype, BATCH if batch is None else batch)
    for name, (shape, is_index) in inputs.items():
        walk.input(name, shape, is_index)
    for node in walk.needed():
        walk.visit(node)
    check_refused(walk.refused)
    network = Network(tuple(walk.nodes.listed), walk.outputs(), origin)
    check_weights(network)
    return network, walk.sources


_COMPARISONS = frozenset(
    ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Not", "And", "Or", "Xor", "IsNaN", "IsInf")
)


class _Walk:
    """What is known so far: the value of each name, the nodes emitted, the operators refused."""

    def __init__(self, model: onnx.ModelProto, dtype: torch.dtype, batch: int) -> None:
        self.graph, self.opset, self.dtype, self.batch = model.graph, opset(model), dtype, batch
        self.activations = find_activations(model.graph)
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.kinds = {name: tensor.data_type for name, tensor in self.initializers.items()}
        self.kinds.update(
            (node.output[0], attribute.t.data_type)
            for node in model.graph.node
            if node.op_type == "Constant"
            for attribute in node.attribute
            if attribute.HasField("t")
        )
        self.allowance = Allowance(sum(math.prod(tensor.dims) for tensor in model.graph.initializer))
        self.values: dict[str, Any] = {}
        self.nodes = Nodes()
        self.sources: dict[str, str] = {}
        self.refused: dict[str, str] = {}

    def input(self, name: str, shape: tuple[int, ...], is_index: bool) -> None:
        """An input of the network."""
        self.values[name] = Signal(self.nodes.emit(Input(name, (), shape)), Layout(shape), is_index)
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
            if isinstance(value, Signal) and value.layout.is_plain:
                self.sources.setdefault(value.name, output)

    def results(self, node: onnx.NodeProto, name: str) -> tuple[Any, ...]:
        """The values that a node gives."""
        inputs = [self.value(read) for read in self.reads(node)]
        is_constant = all(value is None or isinstance(value, Tensor) for value in inputs)
        found = self.activations.get(node.output[0])
        if is_constant:
            translator = self.fold(node)
        elif node.op_type in _COMPARISONS:
            return (Condition(),)
        elif any(isinstance(value, Condition) for value in inputs):
            raise Refused(BRANCHES)
        elif found is None and node.op_type not in OPERATORS:
            raise Refused(advice(node.op_type))
        else:
            translator = OPERATORS[node.op_type] if found is None else activations.of(found[0])
        if any(value is _LOST for value in inputs):
            return (_LOST,) * len(node.output)
        try:
            result: Result = translator(self.operator(node, name), *inputs)
        except (RuntimeError, IndexError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise Refused(f"its inputs do not fit together: {(str(error).splitlines() or ['?'])[0]}") from error
        if is_constant and isinstance(result, Tensor):
            self.kinds[node.output[0]] = kind = self.kind(node)
            check_range(result, kind)
        return result if isinstance(result, tuple) else (result,)

    def kind(self, node: onnx.NodeProto) -> int:
        """The number type of a constant that a node computes."""
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "Cast":
            return int(attributes["to"].i)
        if "value" in attributes:
            return int(attributes["value"].t.data_type)
        return next((self.kinds[name] for name in node.input if name in self.kinds), onnx.TensorProto.INT64)

    def fold(self, node: onnx.NodeProto) -> Translator:
        """What computes a constant."""
        if node.op_type not in FOLDS:
            known = node.op_type in OPERATORS or node.op_type in _COMPARISONS
            raise Refused("computes a constant; simplify the file first (onnxsim)" if known else advice(node.op_type))
        return FOLDS[node.op_type]

    def operator(self, node: onnx.NodeProto, name: str) -> Operator:
        """What a translator is told of a node."""
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        return Operator(
            name,
            self.dtype,
            torch.device("cpu"),
            self.nodes,
            kind=node.op_type,
            opset=self.opset,
            attributes=attributes,
            batch=self.batch,
            results=len(node.output),
            allowance=self.allowance,
            kinds=tuple(type_name(self.kinds[name]) if name in self.kinds else None for name in node.input),
        )

    def value(self, name: str) -> Any:
        """The value of a name; None for an optional input that is left out."""
        if name and name not in self.values:
            if name not in self.initializers:
                raise Refused(f"reads {name!r}, a value that is not read by respike (a second result of an operator?)")
            self.values[name] = read(self.initializers[name], self.dtype)
        return self.values[name] if name else None

    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        if not self.graph.output:
            raise InvalidFile("the model has no outputs")
        return tuple(self.output(output.name) for output in self.graph.output)

    def output(self, name: str) -> str:
        """The node that gives an output."""
        value = self.values.get(name, self.initializers.get(name))
        if isinstance(value, Signal) and value.layout.is_plain:
            return value.name
        if isinstance(value, Signal):
            reason = f"has the batch in dimension {value.layout.batch}; transpose it back in front of the output"
        elif isinstance(value, Condition):
            reason = f"{BRANCHES}; or remove it from the model's outputs"
        elif value is None:
            reason = (
                "is a second result of an operator, which respike does not read; remove it from the model's outputs"
            )
        else:
            reason = "does not depend on the input; remove it from the model's outputs"
        raise UnsupportedOperator(f"the output {name!r} {reason}")
