"""Layers of several inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from respike.frontends.keras.call import LayerCall
from respike.frontends.semantics import Refused, Signal, Translator, activations, arithmetic, products, shaping
from respike.frontends.semantics.meaning import meanings_of, means


def merged(function: Callable[..., Signal]) -> Translator:
    """A layer that is called with a list; inputs of lower rank get axes behind the batch, as in Keras."""
    return means(*meanings_of(function))(lambda call, inputs: function(call, aligned(call, inputs)))


def each(function: Callable[..., Signal]) -> Callable[..., Signal]:
    """A function of several operands as one of a list."""
    return means(function)(lambda call, parts: function(call, *parts))


@means(arithmetic.sub)
def subtract(call: LayerCall, inputs: Sequence[Signal]) -> Signal:
    """The first input minus the second."""
    first, second = inputs
    return arithmetic.sub(call, first, second)


@means(arithmetic.mul)
def multiply(call: LayerCall, inputs: Sequence[Signal]) -> Signal:
    """The product of all inputs."""
    product, *others = inputs
    for other in others:
        product = arithmetic.mul(call, product, other)
    return product


@means(shaping.concat)
def concatenate(call: LayerCall, inputs: Sequence[Signal]) -> Signal:
    """The inputs one behind the other along an axis."""
    return shaping.concat(call, inputs, call.option("axis", -1))


@means(products.matmul)
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


def aligned(call: LayerCall, inputs: Sequence[Signal]) -> list[Signal]:
    """The signals in one order of axes."""
    rank = max(x.ndim for x in inputs)
    if rank == 2 or not any(x.layout.channels_last for x in inputs):
        return [_tall(call, call.plain(x), rank) for x in inputs]
    return [call.nodes.channels_first(_tall(call, call.plain(x) if x.ndim < rank else x, rank)) for x in inputs]


def _tall(call: LayerCall, x: Signal, rank: int) -> Signal:
    """`x` with as many axes behind the batch as it lacks."""
    missing = range(1, 1 + rank - x.ndim)
    return shaping.unsqueeze(replace(call, name=f"{x.name}.unsqueeze"), x, missing) if missing else x


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
