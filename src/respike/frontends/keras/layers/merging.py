"""Layers and operators of several inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from respike.frontends.keras.call import LayerCall
from respike.frontends.keras.layers.activations import named
from respike.frontends.semantics import Refused, Signal, Translator, activations, arithmetic, products, shaping
from respike.frontends.semantics.call import Operand


def merged(function: Callable[..., Signal]) -> Translator:
    """A layer that is called with a list; inputs of lower rank get axes behind the batch, as in Keras."""
    return lambda call, inputs: function(call, _aligned(call, inputs))


def each(function: Callable[..., Signal]) -> Callable[..., Signal]:
    """A function of several operands as one of a list."""
    return lambda call, parts: function(call, *parts)


def subtract(call: LayerCall, inputs: Sequence[Signal]) -> Signal:
    """The first input minus the second."""
    first, second = inputs
    return arithmetic.sub(call, first, second)


def multiply(call: LayerCall, inputs: Sequence[Signal]) -> Signal:
    """The product of all inputs."""
    product, *others = inputs
    for other in others:
        product = arithmetic.mul(call, product, other)
    return product


def concatenate(call: LayerCall, inputs: Sequence[Signal]) -> Signal:
    """The inputs one behind the other along an axis."""
    return shaping.concat(call, inputs, call.option("axis", -1))


def dot(call: LayerCall, inputs: Sequence[Signal]) -> Signal:
    """Matrix products of two inputs `[batch, rows, columns]`, over one axis of each."""
    first, second = (call.plain(x) for x in inputs)
    axes = call.option("axes", -1)
    left, right = (axes, axes) if isinstance(axes, int) else axes
    if call.option("normalize", False) or first.ndim != 3 or second.ndim != 3:
        raise Refused("multiplies something other than two matrices, or normalises them; use keras.ops.matmul")
    if left % 3 == 1:
        first = shaping.transpose(call.inner("first"), first, 1, 2)
    if right % 3 == 2:
        second = shaping.transpose(call.inner("second"), second, 1, 2)
    return products.matmul(call, first, second)


def _aligned(call: LayerCall, inputs: Sequence[Signal]) -> list[Signal]:
    """The signals in one order of axes."""
    rank = max(x.ndim for x in inputs)
    if rank == 2 or not any(x.layout.channels_last for x in inputs):
        return [_tall(call, call.plain(x), rank) for x in inputs]
    return [call.nodes.channels_first(_tall(call, call.plain(x) if x.ndim < rank else x, rank)) for x in inputs]


def _tall(call: LayerCall, x: Signal, rank: int) -> Signal:
    """`x` with as many axes behind the batch as it lacks."""
    missing = range(1, 1 + rank - x.ndim)
    return shaping.unsqueeze(replace(call, name=f"{x.name}.unsqueeze"), x, missing) if missing else x


def operator(function: Callable[..., Signal]) -> Translator:
    """An operator of two operands, signals of one rank or a signal and a number."""

    def translate(call: LayerCall, *operands: Operand) -> Signal:
        signals = [x for x in operands if isinstance(x, Signal)]
        if not signals:
            raise Refused("computes with numbers alone; give it a layer's value")
        if len({x.ndim for x in signals}) != 1:
            raise Refused("broadcasts the batch; use the layers Add or Multiply, or reshape the smaller one")
        aligned = iter(_aligned(call, signals))
        return function(call, *(next(aligned) if isinstance(x, Signal) else x for x in operands))

    return translate


def on_plain(function: Callable[..., Signal]) -> Translator:
    """An operator that reads dimensions where Keras has them."""
    return lambda call, *operands: function(call, *(call.plain(x) if isinstance(x, Signal) else x for x in operands))


def _activation(name: str) -> Translator:
    return lambda call, x: named(call, x, name)


MERGING: dict[str, Translator] = {
    "Add": merged(arithmetic.total),
    "Subtract": merged(subtract),
    "Average": merged(arithmetic.average),
    "Maximum": merged(each(activations.maximum)),
    "Minimum": merged(each(activations.minimum)),
    "Multiply": merged(multiply),
    "Concatenate": merged(concatenate),
    "Dot": dot,
}
OPERATIONS: dict[str, Translator] = {
    "Add": operator(arithmetic.add),
    "Subtract": operator(arithmetic.sub),
    "Multiply": operator(arithmetic.mul),
    **dict.fromkeys(("TrueDivide", "Divide"), operator(arithmetic.div)),
    "Reciprocal": operator(arithmetic.reciprocal),
    "Negative": operator(arithmetic.negative),
    **dict.fromkeys(("Abs", "Absolute"), operator(activations.absolute)),
    "Maximum": operator(activations.maximum),
    "Minimum": operator(activations.minimum),
    "Square": operator(arithmetic.square),
    "Matmul": on_plain(products.matmul),
    **{
        name: _activation(key)
        for name, key in (
            ("Relu", "relu"),
            ("Relu6", "relu6"),
            ("Sigmoid", "sigmoid"),
            ("Tanh", "tanh"),
            ("Silu", "silu"),
            ("HardSigmoid", "hard_sigmoid"),
            ("HardSilu", "hard_silu"),
        )
    },
}
"""What `x + y` and `keras.ops` write into a functional model."""
