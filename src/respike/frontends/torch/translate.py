"""From a torch.export graph to a `Network`, node by node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind, TensorArgument
from torch.utils._pytree import tree_leaves, tree_map_only

from respike.errors import InvalidNetwork, UnsupportedOperator
from respike.frontends.constants import EVALUATED, Allowance
from respike.frontends.nodes import Nodes, check_refused, check_weights
from respike.frontends.semantics import (
    ADVICE,
    BRANCHES,
    DEFAULT,
    MASKS,
    MIXES,
    Condition,
    Layout,
    Refused,
    Signal,
    Translator,
)
from respike.frontends.torch.call import TorchCall
from respike.frontends.torch.functional import functional_form, is_in_place, same_storage
from respike.frontends.torch.naming import label, layer_type, operator_name, user_name
from respike.frontends.torch.operators import OPERATORS
from respike.frontends.torch.operators.arithmetic import ARITHMETIC
from respike.ir import Input, Network

_LOST = object()
"""Stands for the value of an operator that mixes the batch: what reads it cannot be judged."""

_READ_NUMBERS = frozenset(("item", "_local_scalar_dense"))
_COMPARISONS = frozenset(
    ("gt", "lt", "ge", "le", "eq", "ne", "logical_and", "logical_or", "logical_not", "logical_xor", "bitwise_and",
     "bitwise_or", "bitwise_not", "__and", "__or", "__xor", "isnan", "isinf", "isfinite")
)  # fmt: skip


def translate(program: ExportedProgram, origin: str) -> tuple[Network, dict[str, str]]:
    """The network of a functional graph, and for each of its nodes the graph node that has the same value.

    Raises `UnsupportedOperator` with all that cannot be converted, and `InvalidNetwork` for bad weights or state.
    """
    walk = _Walk(program)
    for node in program.graph.nodes:
        if node.op == "call_function" and (node.users or is_in_place(node)):
            walk.visit(node)
    check_refused(walk.refused)
    network = Network(tuple(walk.nodes.listed), walk.outputs(), origin)
    check_weights(network)
    return network, walk.sources


def state(program: ExportedProgram, name: str | None) -> Tensor:
    """A copy of a parameter, buffer or constant of the program."""
    value = program.state_dict.get(name or "", program.constants.get(name or ""))
    if not isinstance(value, Tensor):
        raise InvalidNetwork(f"the network holds {name!r}, which is not a tensor")
    return value.detach().clone()


def is_known(node: fx.Node, depends_on_input: bool) -> bool:
    """Whether an operator of a graph can be read, or refused, as it is; others are decomposed first."""
    if not isinstance(node.target, OpOverload):
        return getattr(node.target, "__module__", None) == "_operator"
    name = operator_name(node).rstrip("_")
    if isinstance(node.meta.get("val"), torch.SymInt) or name in ADVICE:
        return True
    return name in _COMPARISONS or _translator(node) is not None if depends_on_input else name in EVALUATED


def translator_of(node: fx.Node) -> Translator:
    """What an operator means; refused with advice where that is not known."""
    found = _translator(node)
    if found is None:
        raise Refused(ADVICE.get(operator_name(node).rstrip("_"), f"operator {node.target} {DEFAULT}"))
    return found


def _translator(node: fx.Node) -> Translator | None:
    target = node.target
    if isinstance(target, OpOverload):
        target = functional_form(target).overloadpacket
    return OPERATORS.get(target)


class _Walk:
    """What is known so far: the value of each graph node, the nodes emitted, the operators refused."""

    def __init__(self, program: ExportedProgram) -> None:
        self.program = program
        self.nodes = Nodes()
        self.sources: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.values: dict[fx.Node, Any] = {}
        self.batch_sizes: set[object] = set()  # torch.export knows a size for each input
        self.found: dict[object, int] = {}  # the sizes that the graph leaves open
        placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
        self.dtype = _number_type(placeholders)
        self.allowance = Allowance(sum(t.numel() for t in program.state_dict.values() if isinstance(t, Tensor)))
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
                f"input {node.name!r} was exported with sizes left open; only the batch may be dynamic: load the "
                "module itself, or export it with dynamic_shapes={0: torch.export.Dim.AUTO} for each input"
            )
        self.batch_sizes.add(_size(value.shape[0]))
        shape = tuple(value.shape[1:])
        name = self.nodes.emit(Input(node.name, (), shape))
        self.sources[name] = node.name
        return Signal(name, Layout(shape), is_index=not value.is_floating_point())

    def visit(self, node: fx.Node) -> None:
        """Find the value of one operator call, or note why it cannot be converted."""
        value = node.meta.get("val")
        operands = [self.values.get(n) for n in node.all_input_nodes]
        sizes = torch.SymInt | torch.SymFloat | torch.SymBool
        if isinstance(value, sizes) and operator_name(node) not in _READ_NUMBERS:
            # A batch size, or what is computed of one; shapes are read off the results instead.
            self.values[node] = _LOST if any(operand is _LOST for operand in operands) else value.node.hint
            return
        try:
            if not any(_depends_on_input(operand) for operand in operands):
                self.values[node] = self.constant(node)
            elif any(operand is _LOST for operand in operands):
                translator_of(node)
                self.values[node] = _LOST
            elif value is not None:
                self.values[node] = self.result(node, operands)
        except Refused as reason:
            self.refused.setdefault(label(node), ADVICE.get(layer_type(node), str(reason)))
            self.values[node] = self.presumed(value)
        if is_in_place(node):
            for other in same_storage(node):
                self.values[other] = self.values[node]

    def constant(self, node: fx.Node) -> Any:
        """The value of an operator that reads constants only."""
        args, kwargs = self.arguments(node)
        name = operator_name(node).rstrip("_")
        if not isinstance(node.target, OpOverload):
            return node.target(*args, **kwargs) if name == "getitem" else None  # type: ignore[operator]
        if name not in EVALUATED:
            raise Refused(ADVICE.get(name, f"operator {node.target} is not evaluated; keep its result as a buffer"))
        for shape in _result_shapes(node.target, args, kwargs):
            self.allowance.take(shape)
        with torch.no_grad():
            return functional_form(node.target)(*args, **kwargs)

    def result(self, node: fx.Node, operands: list[Any]) -> Any:
        """The signal, or signals, that the nodes of an operator give; a condition where it compares."""
        value = node.meta["val"]
        if operator_name(node).rstrip("_") in _COMPARISONS:
            return Condition()
        if any(isinstance(operand, Condition) for operand in operands):
            raise Refused(BRANCHES)
        numbers = (arg.meta.get("val") for arg in node.args if isinstance(arg, fx.Node))
        sizes = [number for number in numbers if isinstance(number, torch.SymInt | torch.SymFloat)]
        if sizes and _translator(node) in ARITHMETIC.values():
            raise Refused("computes with the size of the batch, so that samples are not computed one by one")
        translator = translator_of(node)
        first = value if isinstance(value, Tensor) else value[0]
        call = TorchCall(user_name(node), self.dtype, first.device, self.nodes, first, self.layout)
        args, kwargs = self.arguments(node)
        result = translator(call, *args, **kwargs)
        if isinstance(result, tuple):
            return tuple(self.named(part, meta) for part, meta in zip(result, value, strict=False))
        signal = self.named(result, first)
        if isinstance(signal, Signal):
            self.sources.setdefault(signal.name, node.name)
        return signal

    def arguments(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What an operator is called with."""
        given: tuple[tuple[Any, ...], dict[str, Any]]
        given = fx.node.map_arg((node.args, node.kwargs), lambda n: self.values.get(n))
        return given

    def named(self, part: Signal | Tensor, meta: Tensor) -> Signal | Tensor:
        """A result with the layout that the graph knows, so that no operator can hand on an old one."""
        if not isinstance(part, Signal):
            return part
        for dim, size in enumerate(meta.shape[: part.ndim]):
            if isinstance(size, torch.SymInt) and dim != part.layout.batch:
                self.found[_size(size)] = part.layout.size(dim)
        layout = replace(self.layout(meta), slower=part.layout.slower)
        if layout.shape != part.shape:
            raise Refused(f"gives {list(part.shape)} for each sample where the graph says {list(layout.shape)}")
        return Signal(part.name, layout, is_index=not meta.is_floating_point())

    def presumed(self, value: Any) -> Any:
        """A stand-in for a refused operator's value, so that what follows is looked at too."""
        if isinstance(value, tuple | list):
            return tuple(self.presumed(part) for part in value)
        try:
            if not isinstance(value, Tensor):
                return _LOST
            layout = self.layout(value)
            return Signal(self.nodes.emit(Input("?", (), layout.shape)), layout)
        except Refused:
            return _LOST

    def layout(self, value: Tensor) -> Layout:
        """Where the batch stands, and one sample's shape; refused where there is no such dimension any more."""
        if value.is_floating_point() and value.dtype != self.dtype:
            raise Refused(
                f"changes the number type from {self.dtype} to {value.dtype}; leave the cast out, or give all layers "
                "one type, as model.float() does"
            )
        if value.dtype == torch.bool:
            raise Refused(MASKS)
        shape = tuple(self.size(n) for n in value.shape)
        if shape and all(type(n) is int for n in shape) and shape[0] in self.batch_sizes:
            return Layout(shape[1:])  # exported for one batch size
        open_sizes = [dim for dim, size in enumerate(shape) if type(size) is not int]
        if len(open_sizes) != 1:
            raise Refused(MIXES)
        (batch,) = open_sizes
        merged, symbol = shape[batch].as_coeff_Mul()
        if symbol not in self.batch_sizes or not merged.is_Integer:
            raise Refused(MIXES)
        inside = (int(merged),) if merged != 1 else ()
        return Layout((*shape[:batch], *inside, *shape[batch + 1 :]), batch, int(merged))

    def size(self, size: int | torch.SymInt) -> Any:
        """A size as a number, also where the graph leaves open what the values of a constant decide."""
        expression = _size(size)
        if isinstance(expression, int):
            return expression
        filled = expression.subs(self.found)  # type: ignore[attr-defined]
        return int(filled) if filled.is_Integer else filled

    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        by_name = {node.name: value for node, value in self.values.items()}
        names = []
        for spec in self.program.graph_signature.output_specs:
            if spec.kind == OutputKind.BUFFER_MUTATION:
                raise InvalidNetwork(f"forward() changes the buffer {spec.target!r}; a network must not keep state")
            if spec.kind == OutputKind.USER_OUTPUT and isinstance(spec.arg, TensorArgument):
                value = by_name[spec.arg.name]
                if isinstance(value, Condition):
                    raise InvalidNetwork(f"the output {spec.arg.name!r} {BRANCHES}")
                if not isinstance(value, Signal):
                    raise InvalidNetwork(
                        f"the output {spec.arg.name!r} does not depend on the input; return only what does"
                    )
                if not value.layout.is_plain:
                    raise UnsupportedOperator(f"the output {value.name!r} {MIXES}")
                names.append(value.name)
        return tuple(names)


def _number_type(placeholders: list[fx.Node]) -> torch.dtype:
    """The type of the first inputs or weights that are not whole numbers."""
    values = (node.meta.get("val") for node in reversed(placeholders))
    return next((v.dtype for v in values if isinstance(v, Tensor) and v.is_floating_point()), torch.float32)


def _depends_on_input(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(_depends_on_input(part) for part in value)
    return isinstance(value, Signal | Condition) or value is _LOST


def _size(size: int | torch.SymInt) -> object:
    return size.node.expr if isinstance(size, torch.SymInt) else size


def _result_shapes(target: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Size]:
    """The shapes that an operator on constants gives, found where nothing is computed."""
    given, named = tree_map_only(Tensor, lambda t: t.to("meta"), (args, kwargs))
    if "device" in named or not any(isinstance(leaf, Tensor) for leaf in tree_leaves((args, kwargs))):
        named = {**named, "device": torch.device("meta")}
    try:
        with torch.no_grad():
            results = functional_form(target)(*given, **named)
    except (RuntimeError, NotImplementedError):  # a mask picks as many elements as it is true for
        results = next(leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
    return [leaf.shape for leaf in tree_leaves(results) if isinstance(leaf, Tensor)]
