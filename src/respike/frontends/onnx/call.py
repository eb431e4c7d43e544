"""What the translator of an ONNX operator is given, beside its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.frontends import semantics
from respike.frontends.nodes import LARGEST
from respike.frontends.semantics.call import Layout, Refused, number, weights
from respike.ir import Node

__all__ = ["BATCH", "Operand", "Operator", "Refused", "Result", "Signal", "Translator", "number", "weights"]

BATCH = 2**31 - 1
"""Stands for the batch size, which is not known when a file is read: a prime that no size of a sample is divided by."""


@dataclass(frozen=True)
class Signal:
    """A value that depends on the network's input: the node that gives it, and its shape for one sample.

    `batch` is the dimension in which the graph's value has the batch (attention may put it behind others); the node's
    own value always has it first.
    """

    name: str
    shape: tuple[int, ...]
    batch: int = 0

    @property
    def ndim(self) -> int:
        """The number of dimensions, with the batch."""
        return len(self.shape) + 1


Operand: TypeAlias = Signal | Tensor
Result: TypeAlias = Signal | Tensor | tuple[Signal, ...]
Translator: TypeAlias = Callable[..., Result]


@dataclass(frozen=True)
class Operator:
    """One node of an ONNX graph. Its nodes go to the network through `emit`, which knows their shapes.

    `batch` is the batch size that the file is fixed to, or `BATCH`; `dtype` is the type of the network's weights;
    `results` is how many values the node gives.
    """

    name: str
    kind: str
    opset: int
    attributes: Mapping[str, Any]
    dtype: torch.dtype
    batch: int
    results: int
    emit: Callable[[Node], Signal]

    def text(self, name: str, default: str) -> str:
        """An attribute that is a string."""
        value = self.attributes.get(name, default.encode())
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def real(self, name: str, default: float) -> float:
        """An attribute that is a number."""
        return float(self.attributes.get(name, default))

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        return int(self.attributes.get(name, default))

    def sizes(self, name: str, count: int, default: int) -> tuple[int, ...]:
        """An attribute with a whole number for each of `count` spatial dimensions."""
        values = tuple(map(int, self.attributes.get(name, (default,) * count)))
        if len(values) != count:
            raise Refused(f"its {name} {list(values)} are not one for each of {count} dimensions")
        return values

    def integers(self, name: str, given: Operand | None = None) -> tuple[int, ...] | None:
        """Whole numbers, which are an input of the operator or, in older opsets, an attribute."""
        if given is None:
            listed = self.attributes.get(name)
            return None if listed is None else tuple(map(int, listed))
        return whole_numbers(given, name)

    def by(self, translator: semantics.Translator, *operands: Operand | float) -> Signal:
        """The signal that a translator of the PyTorch frontend makes of these operands."""
        emitted: dict[str, Signal] = {x.name: x for x in operands if isinstance(x, Signal)}

        def emit(node: Node) -> str:
            result = self.emit(node)
            emitted[result.name] = result
            return result.name

        shape = broadcast(*(x.shape for x in emitted.values()))
        call = semantics.Call(self.name, Layout(shape), self.dtype, torch.device("cpu"), emit)
        given = (semantics.Signal(x.name, Layout(x.shape)) if isinstance(x, Signal) else x for x in operands)
        result = translator(call, *given)
        return emitted[result if isinstance(result, str) else result.name]  # type: ignore[union-attr]


def signal(value: Operand) -> Signal:
    """`value`, if it depends on the input and has the batch in dimension 0."""
    source = anywhere(value)
    if source.batch:
        raise Refused(f"reads a value with the batch in dimension {source.batch}; transpose it back in front of this")
    return source


def anywhere(value: Operand) -> Signal:
    """`value`, if it depends on the input, wherever its batch is."""
    if not isinstance(value, Signal):
        raise Refused("applied to a constant where a signal is expected; simplify the file first (onnxsim)")
    return value


def dimension(axis: int, x: Signal) -> int:
    """The node's dimension for one of the graph's; the batch is refused."""
    front = axis % x.ndim
    if front == x.batch:
        raise Refused(f"works along dimension {front}, the batch; samples must not be mixed")
    return front + 1 if front < x.batch else front


def whole_numbers(value: Operand, name: str) -> tuple[int, ...]:
    """The elements of a constant."""
    if not isinstance(value, Tensor):
        raise Refused(f"its {name} depend on the input's values; they must be constant")
    return tuple(int(n) for n in value.reshape(-1).tolist())


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that values of these shapes have together."""
    return tuple(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]


def check_size(shape: Sequence[int], largest: int = LARGEST) -> None:
    """Refuse a value of more than `largest` elements."""
    if math.prod(shape) > largest:
        raise Refused(f"its result would have {math.prod(shape)} elements, more than any network needs")
