"""Layers and operators of several inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from respike.frontends.keras.call import Call, Signal, Translator
from respike.frontends.keras.layers.activations import named
from respike.frontends.semantics import Refused
from respike.ir import Add, Concat, ElementwiseAffine, Multiply, Reshape

Operand = Signal | float


def add(call: Call, inputs: Sequence[Signal]) -> Signal:
    """The sum of all inputs."""
    names, moved = _aligned(call, inputs)
    return Signal(call.emit(Add(call.name, names)), moved)


def subtract(call: Call, inputs: Sequence[Signal]) -> Signal:
    """The first input minus the second."""
    (first, second), moved = _aligned(call, inputs)
    return Signal(call.emit(Add(call.name, (first, _scaled(call.inner("negate"), second, -1.0, 0.0)))), moved)


def average(call: Call, inputs: Sequence[Signal]) -> Signal:
    """The mean of all inputs."""
    total = add(call.inner("sum"), inputs)
    return Signal(_scaled(call, total.name, 1 / len(inputs), 0.0), total.moved)


def multiply(call: Call, inputs: Sequence[Signal]) -> Signal:
    """The product of all inputs."""
    (product, *others), moved = _aligned(call, inputs)
    for other in others:
        product = call.emit(Multiply(call.name, (product, other)))
    return Signal(product, moved)


def concatenate(call: Call, inputs: Sequence[Signal]) -> Signal:
    """The inputs one behind the other along an axis."""
    names, moved = _aligned(call, inputs)
    result = Signal(names[0], moved)
    return Signal(call.emit(Concat(call.name, names, call.dim(result, call.option("axis", -1)))), moved)


def _aligned(call: Call, inputs: Sequence[Signal]) -> tuple[tuple[str, ...], bool]:
    """The nodes to merge, in one order of axes; those of lower rank get axes behind the batch, as in Keras."""
    rank = max(len(call.shape(x)) for x in inputs)
    moved = rank > 1 and any(x.moved for x in inputs)
    names = []
    for x in inputs:
        shape = call.shape(x)
        if len(shape) < rank:
            tall = (1,) * (rank - len(shape)) + shape
            x = Signal(call.emit(Reshape(f"{x.name}.unsqueeze", (call.draft.plain(x),), tall)))
        names.append(call.draft.moved(x) if moved else call.draft.plain(x))
    return tuple(names), moved


def _scaled(call: Call, name: str, scale: float, shift: float) -> str:
    return call.emit(ElementwiseAffine(call.name, (name,), call.constant(scale), call.constant(shift)))


def _linear(call: Call, x: Operand, y: Operand, sign: float) -> Signal:
    """`x + sign · y`."""
    match x, y:
        case Signal(), Signal():
            _check_ranks(call, x, y)
            return add(call, (x, y)) if sign > 0 else subtract(call, (x, y))
        case Signal(), float() | int():
            return Signal(_scaled(call, x.name, 1.0, sign * y), x.moved)
        case float() | int(), Signal():
            return Signal(_scaled(call, y.name, sign, x), y.moved)
        case _:
            raise Refused("adds two numbers; give it a layer's value")


def add_operator(call: Call, x: Operand, y: Operand) -> Signal:
    """`x + y`."""
    return _linear(call, x, y, 1.0)


def subtract_operator(call: Call, x: Operand, y: Operand) -> Signal:
    """`x - y`."""
    return _linear(call, x, y, -1.0)


def multiply_operator(call: Call, x: Operand, y: Operand) -> Signal:
    """`x · y`."""
    match x, y:
        case Signal(), Signal():
            _check_ranks(call, x, y)
            return multiply(call, (x, y))
        case Signal(), float() | int():
            return Signal(_scaled(call, x.name, y, 0.0), x.moved)
        case float() | int(), Signal():
            return Signal(_scaled(call, y.name, x, 0.0), y.moved)
        case _:
            raise Refused("multiplies two numbers; give it a layer's value")


def divide_operator(call: Call, x: Operand, y: Operand) -> Signal:
    """`x / y` by a number."""
    if isinstance(y, Signal) or not isinstance(x, Signal) or y == 0:
        raise Refused("divides by a layer's value, or by zero; only division by a number is affine")
    return Signal(_scaled(call, x.name, 1 / y, 0.0), x.moved)


def negative_operator(call: Call, x: Signal) -> Signal:
    """`-x`."""
    return Signal(_scaled(call, x.name, -1.0, 0.0), x.moved)


def _check_ranks(call: Call, x: Signal, y: Signal) -> None:
    if len(call.shape(x)) != len(call.shape(y)):
        raise Refused("broadcasts the batch; use the layers Add or Multiply, or reshape the smaller one")


def _activation(name: str) -> Callable[[Call, Signal], Signal]:
    return lambda call, x: named(call, x, name)


MERGING: dict[str, Translator] = {
    "Add": add,
    "Subtract": subtract,
    "Average": average,
    "Multiply": multiply,
    "Concatenate": concatenate,
}
OPERATIONS: dict[str, Translator] = {
    "Add": add_operator,
    "Subtract": subtract_operator,
    "Multiply": multiply_operator,
    "TrueDivide": divide_operator,
    "Divide": divide_operator,
    "Negative": negative_operator,
    **{name: _activation(name.lower()) for name in ("Relu", "Relu6", "Sigmoid", "Tanh", "Silu")},
}
"""What `x + y` and `keras.ops` write into a functional model."""
