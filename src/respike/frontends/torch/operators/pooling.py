"""Pools, and maxima and minima along dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from respike.frontends.semantics import activations, pooling
from respike.frontends.semantics.call import Call, Operand, Result, Signal, Translator, anywhere, spread
from respike.frontends.semantics.layers import even_sides
from respike.frontends.semantics.meaning import means
from respike.frontends.torch.call import UNUSED, Ints, TorchCall, reduced


@means(pooling.average_pool)
def avg_pool(
    call: Call,
    x: Operand,
    kernel: int | Ints,
    stride: int | Ints = (),
    padding: int | Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Signal:
    """Mean over windows."""
    count = anywhere(x).ndim - 2
    size = spread(kernel, count)
    return pooling.average_pool(
        call,
        x,
        size,
        spread(stride, count) or size,
        even_sides(spread(padding, count)),
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor=divisor,
    )


@means(pooling.max_pool)
def max_pool(
    call: Call,
    x: Operand,
    kernel: int | Ints,
    stride: int | Ints = (),
    padding: int | Ints = 0,
    dilation: int | Ints = 1,
    ceil_mode: bool = False,
) -> Signal:
    """Maximum over windows."""
    count = anywhere(x).ndim - 2
    size = spread(kernel, count)
    return pooling.max_pool(
        call,
        x,
        size,
        spread(stride, count) or size,
        even_sides(spread(padding, count)),
        spread(dilation, count),
        ceil_mode=ceil_mode,
    )


@means(pooling.max_pool)
def max_pool_with_indices(call: Call, *args: Any, **kwargs: Any) -> tuple[Signal, ...]:
    """Maximum over windows; the second result, the indices, is not supported."""
    return (max_pool(call, *args, **kwargs),)


@means(pooling.adaptive_average_pool)
def adaptive_avg_pool(call: TorchCall, x: Operand, output_size: int | Ints) -> Signal:
    """Mean over windows that give a fixed output size."""
    return pooling.adaptive_average_pool(call, x, call.layout.shape[1:])


@means(pooling.adaptive_max_pool)
def adaptive_max_pool(call: TorchCall, x: Operand, output_size: int | Ints) -> tuple[Signal, ...]:
    """Maximum over windows that give a fixed output size; the second result, the indices, is not supported."""
    return (pooling.adaptive_max_pool(call, x, call.layout.shape[1:]),)


def extreme(pairwise: Callable[..., Signal], along: Callable[..., Signal]) -> Callable[..., Result]:
    """`max` and `min`: of two values, or along a dimension, where the second result is not supported."""

    @means(pairwise, along)
    def translate(call: Call, x: Operand, other: Operand | None = None, keepdim: bool = False) -> Result:
        if isinstance(other, Signal | Tensor):
            return pairwise(call, x, other)
        return along(call, x, [] if other is None else [int(other)], keepdim), UNUSED

    return translate


aten = torch.ops.aten

POOLING: dict[object, Translator] = {
    **dict.fromkeys((aten.avg_pool1d, aten.avg_pool2d, aten.avg_pool3d), avg_pool),
    **dict.fromkeys((aten.max_pool1d, aten.max_pool2d, aten.max_pool3d), max_pool),
    **{getattr(aten, f"max_pool{n}d_with_indices"): max_pool_with_indices for n in (1, 2, 3)},
    **{getattr(aten, f"adaptive_avg_pool{n}d"): adaptive_avg_pool for n in (1, 2, 3)},
    **{getattr(aten, f"adaptive_max_pool{n}d"): adaptive_max_pool for n in (1, 2, 3)},
    aten.amax: reduced(pooling.largest),
    aten.amin: reduced(pooling.smallest),
    aten.max: extreme(activations.maximum, pooling.largest),
    aten.min: extreme(activations.minimum, pooling.smallest),
}
