"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from respike.frontends.semantics.call import Call, Operand, Refused, signal, spread
from respike.ir import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool, Reshape

Ints = Sequence[int]


def avg_pool(
    call: Call,
    x: Operand,
    kernel: int | Ints,
    stride: int | Ints = (),
    padding: int | Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> str:
    """Mean over windows."""
    source = signal(x)
    count = source.ndim - 2
    size = spread(kernel, count)
    steps = spread(stride, count) or size
    pads = spread(padding, count)
    node = AvgPool(call.name, (source.name,), size, steps, pads, ceil_mode, count_include_pad, divisor_override)
    return call.emit(node)


def max_pool(
    call: Call,
    x: Operand,
    kernel: int | Ints,
    stride: int | Ints = (),
    padding: int | Ints = 0,
    dilation: int | Ints = 1,
    ceil_mode: bool = False,
) -> str:
    """Maximum over windows."""
    source = signal(x)
    count = source.ndim - 2
    size = spread(kernel, count)
    steps = spread(stride, count) or size
    pads, dilated = spread(padding, count), spread(dilation, count)
    return call.emit(MaxPool(call.name, (source.name,), size, steps, pads, dilated, ceil_mode))


def max_pool_with_indices(call: Call, x: Operand, *args: Any, **kwargs: Any) -> tuple[str, ...]:
    """Maximum over windows; the second result, the indices, is not supported."""
    return (max_pool(call, x, *args, **kwargs),)


def adaptive_avg_pool(call: Call, x: Operand, output_size: int | Ints) -> str:
    """Mean over windows that give a fixed output size."""
    return call.emit(AdaptiveAvgPool(call.name, (signal(x).name,), call.shape[1:]))


def adaptive_max_pool(call: Call, x: Operand, output_size: int | Ints) -> tuple[str, ...]:
    """Maximum over windows that give a fixed output size; the second result, the indices, is not supported."""
    return (call.emit(AdaptiveMaxPool(call.name, (signal(x).name,), call.shape[1:])),)


def global_max(call: Call, x: Operand, dims: Ints = (), keepdim: bool = False) -> str:
    """The maximum over spatial dimensions: global max pooling."""
    source = signal(x)
    over = {d % source.ndim for d in dims}
    if over != set(range(2, source.ndim)) or source.ndim not in (3, 4, 5):
        raise Refused("a maximum over something other than all spatial dimensions")
    name = call.emit(AdaptiveMaxPool(call.name, (source.name,), (1,) * len(over)))
    return name if keepdim else call.emit(Reshape(f"{call.name}.flatten", (name,), call.shape))
