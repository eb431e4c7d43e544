"""Poolings, and means, sums, maxima and minima over dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from respike.frontends.onnx.call import Operator, reach
from respike.frontends.semantics import Refused, Signal, activations, arithmetic, matrices, pooling
from respike.frontends.semantics.call import Operand, Translator, signal
from respike.frontends.semantics.meaning import means


@means(pooling.max_pool)
def max_pool(op: Operator, x: Operand) -> Signal:
    """Maximum over windows; the second result, the places, is not given."""
    source = signal(x)
    kernel, steps, dilation = _window(op, source)
    sides = op.sides(source.shape[1:], reach(kernel, dilation), steps)
    return pooling.max_pool(op, source, kernel, steps, sides, dilation, ceil_mode=bool(op.integer("ceil_mode", 0)))


@means(pooling.average_pool)
def average_pool(op: Operator, x: Operand) -> Signal:
    """Mean over windows."""
    source = signal(x)
    kernel, steps, dilation = _window(op, source)
    if any(d != 1 for d in dilation):
        raise Refused("averages windows with gaps (dilations); use a convolution")
    return pooling.average_pool(
        op,
        source,
        kernel,
        steps,
        op.sides(source.shape[1:], kernel, steps),
        ceil_mode=bool(op.integer("ceil_mode", 0)),
        count_include_pad=bool(op.integer("count_include_pad", 0)),
    )


def _window(op: Operator, x: Signal) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    count = x.ndim - 2
    kernel, steps, dilation = (op.sizes(name, count, 1, least=1) for name in ("kernel_shape", "strides", "dilations"))
    return kernel, steps, dilation


def spatial(along: Callable[..., Signal]) -> Translator:
    """A reduction over all spatial dimensions."""
    return means(along)(lambda op, x: along(op, x, range(2, signal(x).ndim), True))


def reduced(along: Callable[..., Signal], of: Callable[..., Signal] | None = None) -> Translator:
    """A reduction over the dimensions that are named, of a function of each element."""

    @means(along)
    def translate(op: Operator, x: Any, axes: Operand | None = None) -> Signal:
        dims = op.integers("axes", axes)
        source = x if of is None else of(op, x)
        if not dims and op.integer("noop_with_empty_axes", 0):
            return signal(source)
        return along(op, source, dims or (), bool(op.integer("keepdims", 1)))

    return translate


POOLING: dict[str, Translator] = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": spatial(matrices.mean),
    "GlobalMaxPool": spatial(pooling.largest),
    "ReduceMean": reduced(matrices.mean),
    "ReduceSum": reduced(matrices.total),
    "ReduceSumSquare": reduced(matrices.total, arithmetic.square),
    "ReduceL1": reduced(matrices.total, activations.absolute),
    "ReduceMax": reduced(pooling.largest),
    "ReduceMin": reduced(pooling.smallest),
}
