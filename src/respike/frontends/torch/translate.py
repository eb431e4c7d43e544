"""From a functional torch.export graph to a `Network`, node by node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.utils._pytree import tree_leaves

from respike.errors import InvalidNetwork, UnsupportedOperator
from respike.frontends.nodes import Names, check_refused, check_weights
from respike.frontends.semantics import ADVICE, DEFAULT, MIXES, Call, Layout, Refused, Signal, Translator
from respike.frontends.torch.naming import label, layer_type, operator_name, user_name
from respike.frontends.torch.operators import OPERATORS
from respike.ir import Input, Network, Node

_LOST = object()
"""Stands for the value of an operator that mixes the batch: what reads it cannot be judged."""


def translate(program: ExportedProgram, origin: str) -> tuple[Network, dict[str, str]]:
    """The network of a functional graph, and for each of its nodes the graph node that has the same value.

    Raises `UnsupportedOperator` with all that cannot be converted, and `InvalidNetwork` for bad weights or state.
    """
    walk = _Walk(program)
    for node in program.graph.nodes:
        if node.op == "call_function" and node.users:
            walk.visit(node)
    check_refused(walk.refused)
    network = Network(tuple(walk.nodes), walk.outputs(), origin)
    check_weights(network)
    return network, walk.sources


def state(program: ExportedProgram, name: str | None) -> Tensor:
    """A copy of a parameter, buffer or constant of the program."""
    value = program.state_dict.get(name or "", program.constants.get(name or ""))
    if not isinstance(value, Tensor):
        raise InvalidNetwork(f"the network holds {name!r}, which is not a tensor")
    return value.detach().clone()


class _Walk:
    """What is known so far: the value of each graph node, the nodes emitted, the operators refused."""

    def __init__(self, program: ExportedProgram) -> None:
        self.program = program
        self.nodes: list[Node] = []
        self.sources: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.values: dict[fx.Node, Any] = {}
        self.names = Names()
        self.batch_sizes: set[object] = set()  # torch.export knows a size for each input
        placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
        self.dtype = _number_type(placeholders)
        for node, spec in zip(placeholders, program.graph_signature.input_specs, strict=True):
            is_input = spec.kind == InputKind.USER_INPUT
            self.values[node] = self.input(node) if is_input else state(program, spec.target)

    def input(self, node: fx.Node) -> Signal:
        """An input of the network: numbers of its type, or whole numbers that an embedding reads."""
        value = node.meta["val"]
        if not isinstance(value, Tensor) or value.ndim == 0:
            raise InvalidNetwork(f"input {node.name!r} is not a tensor with a batch dimension")
        if value.is_floating_point() and value.dtype != self.dtype:
            raise InvalidNetwork(f"input {node.name!r} is of {value.dtype}, the network of {self.dtype}")
        if any(type(n) is not int for n in value.shape[1:]):
            raise InvalidNetwork(
                f"input {node.name!r} was exported with sizes left open; only the batch may be dynamic"
            )
        self.batch_sizes.add(_size(value.shape[0]))
        shape = tuple(value.shape[1:])
        name = self.emit(Input(node.name, (), shape))
        self.sources[name] = node.name
        return Signal(name, Layout(shape), is_index=not value.is_floating_point())

    def emit(self, node: Node) -> str:
        """Append a node to the network under a name of its own."""
        named = replace(node, name=self.names.take(node.name))
        self.nodes.append(named)
        return named.name

    def visit(self, node: fx.Node) -> None:
        """Find the value of one operator call, or note why it cannot be converted."""
        value = node.meta.get("val")
        operands = [self.values.get(n) for n in node.all_input_nodes]
        if isinstance(value, torch.SymInt) and value.node.hint is not None:
            self.values[node] = value.node.hint  # a batch size; shapes are read off the results instead
        elif not any(_depends_on_input(operand) for operand in operands):
            self.values[node] = self.constant(node)
        elif value is not None:
            try:
                translator = _translator(node)
                if any(operand is _LOST for operand in operands):
                    self.values[node] = _LOST
                else:
                    self.values[node] = self.signal(node, translator)
            except Refused as reason:
                self.refused.setdefault(label(node), ADVICE.get(layer_type(node), str(reason)))
                self.values[node] = self.presumed(value)

    def constant(self, node: fx.Node) -> Any:
        """The value of an operator that reads constants only."""
        if not isinstance(node.target, OpOverload) and operator_name(node) != "getitem":
            return None
        args, kwargs = self.arguments(node)
        with torch.no_grad():
            return node.target(*args, **kwargs)  # type: ignore[operator]

    def signal(self, node: fx.Node, translator: Translator) -> Any:
        """The signal, or signals, that the nodes of an operator give."""
        value = node.meta["val"]
        first = value if isinstance(value, Tensor) else value[0]
        call = Call(user_name(node), self.layout(first), first.dtype, first.device, self.emit)
        args, kwargs = self.arguments(node)
        result = translator(call, *args, **kwargs)
        slower = max((s.layout.slower for s in tree_leaves((args, kwargs)) if isinstance(s, Signal)), default=1)
        if isinstance(result, tuple):
            return tuple(self.named(part, meta, slower) for part, meta in zip(result, value, strict=False))
        signal = self.named(result, first, slower)
        if isinstance(signal, Signal):
            self.sources.setdefault(signal.name, node.name)
        return signal

    def arguments(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What an operator is called with."""
        given: tuple[tuple[Any, ...], dict[str, Any]]
        given = fx.node.map_arg((node.args, node.kwargs), lambda n: self.values.get(n))
        return given

    def named(self, part: Signal | Tensor | str, meta: Tensor, slower: int) -> Signal | Tensor:
        """A translator's answer with its layout."""
        return Signal(part, replace(self.layout(meta), slower=slower)) if isinstance(part, str) else part

    def presumed(self, value: Any) -> Any:
        """A stand-in for a refused operator's value, so that what follows is looked at too."""
        if isinstance(value, tuple | list):
            return tuple(self.presumed(part) for part in value)
        try:
            return Signal("?", self.layout(value)) if isinstance(value, Tensor) else _LOST
        except Refused:
            return _LOST

    def layout(self, value: Tensor) -> Layout:
        """Where the batch stands, and one sample's shape; refused where there is no such dimension any more."""
        if value.dtype != self.dtype:
            raise Refused(f"changes the number type from {self.dtype} to {value.dtype}")
        if value.ndim and all(type(n) is int for n in value.shape) and value.shape[0] in self.batch_sizes:
            return Layout(tuple(value.shape[1:]))  # exported for one batch size
        open_sizes = [dim for dim, size in enumerate(value.shape) if type(size) is not int]
        if len(open_sizes) != 1:
            raise Refused(MIXES)
        (batch,) = open_sizes
        merged, symbol = _size(value.shape[batch]).as_coeff_Mul()  # type: ignore[attr-defined]
        if symbol not in self.batch_sizes or not merged.is_Integer:
            raise Refused(MIXES)
        inside = (int(merged),) if merged != 1 else ()
        return Layout((*value.shape[:batch], *inside, *value.shape[batch + 1 :]), batch, int(merged))

    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        by_name = {node.name: value for node, value in self.values.items()}
        names = []
        for spec in self.program.graph_signature.output_specs:
            if spec.kind == OutputKind.BUFFER_MUTATION:
                raise InvalidNetwork(f"forward() changes the buffer {spec.target!r}; a network must not keep state")
            if spec.kind == OutputKind.USER_OUTPUT and isinstance(spec.arg, TensorArgument):
                value = by_name[spec.arg.name]
                if not isinstance(value, Signal):
                    raise InvalidNetwork("an output does not depend on the input; return only what does")
                if not value.layout.is_plain:
                    raise UnsupportedOperator(f"the output {value.name!r} {MIXES}")
                names.append(value.name)
        return tuple(names)


def _number_type(placeholders: list[fx.Node]) -> torch.dtype:
    """The type of the first inputs or weights that are not whole numbers."""
    values = (node.meta.get("val") for node in reversed(placeholders))
    return next((v.dtype for v in values if isinstance(v, Tensor) and v.is_floating_point()), torch.float32)


def _translator(node: fx.Node) -> Translator:
    target = node.target
    packet = target.overloadpacket if isinstance(target, OpOverload) else target
    found = OPERATORS.get(target) or OPERATORS.get(packet)
    if found is None:
        raise Refused(ADVICE.get(operator_name(node).rstrip("_"), f"operator {target} {DEFAULT}"))
    return found


def _depends_on_input(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(_depends_on_input(part) for part in value)
    return isinstance(value, Signal) or value is _LOST


def _size(size: int | torch.SymInt) -> object:
    return size.node.expr if isinstance(size, torch.SymInt) else size
