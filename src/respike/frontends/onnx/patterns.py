"""Activations that exporters write as several operators which have no node of their own: GELU, and Hardswish by a clip.

Products of a signal and its sigmoid are read as they are written; `passes.fuse_gates` sees what they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from respike.ir import GELU, Function, Hardswish


@dataclass(frozen=True)
class _Gate:
    """A value `g(x)`, which `factor · x · g(x)` makes the activation `function` of x."""

    value: str
    x: str
    factor: float
    function: Function


def find_activations(graph: onnx.GraphProto) -> dict[str, tuple[Function, str]]:
    """The values that are activations of another value, by name."""
    search = _Search(graph)
    found = {}
    for gate in search.gates():
        for value in search.products_near(gate.value):
            if _near(search.factor(value, gate.x, gate.value), gate.factor):
                found[value] = (gate.function, gate.x)
    return found


class _Search:
    """The graph by what gives each value and what reads it."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.givers = {name: node for node in graph.node for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.tensors.update(
            (node.output[0], a.t)
            for node in graph.node
            if node.op_type == "Constant"
            for a in node.attribute
            if a.HasField("t")
        )

    def number(self, name: str) -> float | None:
        """The value of a constant with one element."""
        tensor = self.tensors.get(name)
        if tensor is None or math.prod(tensor.dims) != 1:
            return None
        try:
            return float(onnx.numpy_helper.to_array(tensor).reshape(()))
        except (ValueError, TypeError):
            return None

    def pair(self, name: str, kind: str) -> Iterator[tuple[str, str]]:
        """The two inputs of the operator that gives a value, in either order, if it is of that kind."""
        node = self.givers.get(name)
        if node is not None and node.op_type == kind and len(node.input) == 2:
            first, second = node.input
            yield first, second
            yield second, first

    def plus(self, name: str, number: float) -> str | None:
        """What a value is, less a number."""
        return next((x for x, c in self.pair(name, "Add") if _near(self.number(c), number)), None)

    def multiples(self, name: str) -> Iterator[tuple[str, float]]:
        """The x and c with the value equal to c · x, at most three operators away."""
        factor = 1.0
        for _ in range(4):
            yield name, factor
            node = self.givers.get(name)
            if node is not None and node.op_type == "Div" and (number := self.number(node.input[1])):
                name, factor = node.input[0], factor / number
            elif scaled := [(x, c) for x, y in self.pair(name, "Mul") if (c := self.number(y)) is not None]:
                name, factor = scaled[0][0], factor * scaled[0][1]
            else:
                return

    def multiple(self, name: str, x: str) -> float | None:
        """The c with the value equal to c · x."""
        return next((factor for base, factor in self.multiples(name) if base == x), None)

    def factor(self, name: str, x: str, gate: str) -> float | None:
        """The c with the value equal to c · x · gate."""
        for base, number in self.multiples(name):
            for first, second in self.pair(base, "Mul"):
                left, right = self.multiple(first, x), self.multiple(second, gate)
                if left is not None and right is not None:
                    return number * left * right
        return None

    def products_near(self, name: str) -> Iterator[str]:
        """The products that a value goes into, at most three operators away."""
        reached = {name}
        for _ in range(3):
            reached = {n.output[0] for v in reached for n in self.readers.get(v, ()) if n.op_type in ("Mul", "Div")}
            yield from reached

    def gates(self) -> Iterator[_Gate]:
        """Every value that could be the gate of an activation."""
        for name, node in self.givers.items():
            match node.op_type:
                case "Clip":
                    yield from self.hardswish(name, node)
                case "Add":
                    yield from self.gelu(name)
                case _:
                    pass

    def hardswish(self, name: str, node: onnx.NodeProto) -> Iterator[_Gate]:
        """`clip(x + 3, 0, 6)`."""
        given = {a.name: a.f for a in node.attribute}
        low, high = ([self.number(v) for v in node.input[1:]] + [given.get("min"), given.get("max")])[:2]
        x = self.plus(node.input[0], 3.0)
        if x is not None and low == 0 and _near(high, 6.0):
            yield _Gate(name, x, 1 / 6, Hardswish())

    def gelu(self, name: str) -> Iterator[_Gate]:
        """`1 + erf(x / √2)`, or `1 + tanh(√(2/π) · (x + 0.044715 · x³))`."""
        inner = self.givers.get(self.plus(name, 1.0) or "")
        if inner is None or inner.op_type not in ("Erf", "Tanh"):
            return
        for x, factor in self.multiples(inner.input[0]):
            if inner.op_type == "Erf" and _near(factor, math.sqrt(0.5)):
                yield _Gate(name, x, 0.5, GELU())
            if inner.op_type == "Tanh" and _near(factor, math.sqrt(2 / math.pi)):
                for base, cubed in self.pair(x, "Add"):
                    if any(_near(c, 0.044715) and self.is_cube(v, base) for v, c in self.multiples(cubed)):
                        yield _Gate(name, base, 0.5, GELU(approximate=True))

    def is_cube(self, name: str, x: str) -> bool:
        """Whether a value is x³, as a power or as two products."""
        node = self.givers.get(name)
        if node is not None and node.op_type == "Pow":
            return node.input[0] == x and _near(self.number(node.input[1]), 3.0)
        return any(a == x and (x, x) in self.pair(b, "Mul") for a, b in self.pair(name, "Mul"))


def _near(value: float | None, wanted: float) -> bool:
    """Whether a constant is the one of the formula, as any float type rounds it."""
    return value is not None and math.isclose(value, wanted, rel_tol=1e-3)
