"""Pooling over windows, and maxima over dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import torch

from respike.frontends.semantics.arithmetic import affine, negative
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, anywhere, signal
from respike.frontends.semantics.layers import Sides, whole_steps
from respike.frontends.semantics.matrices import along, dimensions, without
from respike.ir import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool, Pad, Permute, Reshape

Ints: TypeAlias = tuple[int, ...]


def average_pool(
    call: Call,
    x: Operand,
    kernel: Ints,
    stride: Ints,
    sides: Sides,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Signal:
    """Mean over windows, of the elements that count: those of the input, and of the padding if so asked."""
    source = _pooled(x, kernel)
    whole_steps(kernel=kernel, stride=stride)
    begin, end = _begin(sides), _end(sides)
    if begin == end and _fits(begin, kernel):
        node = AvgPool(call.name, (source.name,), kernel, stride, begin, ceil_mode, count_include_pad, divisor)
        return call.like(source, node)
    sizes = source.shape[1:]
    wanted = [_windows(*given, ceil_mode) for given in zip(sizes, sides, kernel, stride, strict=True)]
    behind = _behind(sizes, kernel, stride, begin, wanted)
    amounts = tuple(n for pair in zip(reversed(begin), reversed(behind), strict=True) for n in pair)
    padded = call.like(source, Pad(call.part("pad"), (source.name,), amounts)) if any(amounts) else source
    zero = (0,) * len(kernel)
    means = call.like(padded, AvgPool(call.name, (padded.name,), kernel, stride, zero, divisor=divisor))
    share = torch.ones((), dtype=torch.float64)
    for size, k, s, b, e, more in zip(sizes, kernel, stride, begin, end, behind, strict=True):
        first, last = (0, b + size + e) if count_include_pad else (b, b + size)
        counted = torch.zeros(b + size + more, dtype=torch.float64)
        counted[first:last] = 1
        share = share.unsqueeze(-1) * counted.unfold(0, k, s).mean(-1)
    if divisor is not None or bool((share == 1).all()):
        return means
    return affine(call, means, (1 / share)[None, None], 0.0, "divisor")


def max_pool(
    call: Call,
    x: Operand,
    kernel: Ints,
    stride: Ints,
    sides: Sides,
    dilation: Ints,
    *,
    ceil_mode: bool = False,
) -> Signal:
    """Maximum over windows; padding never wins."""
    source = _pooled(x, kernel)
    whole_steps(kernel=kernel, stride=stride, dilation=dilation)
    sizes, begin = source.shape[1:], _begin(sides)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    wanted = [_windows(*given, ceil_mode) for given in zip(sizes, sides, reach, stride, strict=True)]
    for ceil in (ceil_mode, not ceil_mode):
        alone = zip(sizes, ((b, b) for b in begin), reach, stride, strict=True)
        # What a window has behind the input does not count, so only the number of windows matters.
        if _fits(begin, kernel) and wanted == [_windows(*given, ceil) for given in alone]:
            return call.like(source, MaxPool(call.name, (source.name,), kernel, stride, begin, dilation, ceil))
    behind = _behind(sizes, kernel, stride, begin, wanted)
    if any(d != 1 for d in dilation) or any(max(b, e) >= k for b, e, k in zip(begin, behind, kernel, strict=True)):
        raise Refused("pads unevenly around windows with gaps, or by whole windows; pad evenly, and less")
    padded = _with_border(call, source, begin, behind)
    zeros = (0,) * len(kernel)
    return call.like(padded, MaxPool(call.name, (padded.name,), kernel, stride, zeros, dilation))


def _with_border(call: Call, x: Signal, begin: Ints, end: Ints) -> Signal:
    """`x` with its border repeated, which no maximum over a window that touches the input can tell from nothing."""
    for axis, (before, behind) in enumerate(zip(begin, end, strict=True), start=2):
        size = x.shape[axis - 1]
        places = torch.arange(-before, size + behind).clamp(0, size - 1)
        dim = axis - 1 if x.layout.channels_last else axis
        x = along(call, x, dim, torch.nn.functional.one_hot(places, size).double())
    return x


def _pooled(x: Operand, kernel: Sequence[int]) -> Signal:
    source = signal(x)
    if len(source.shape) != len(kernel) + 1 or not 1 <= len(kernel) <= 3:
        raise Refused(
            "takes the batch for channels, or pools over more than 3 dimensions; give it [batch, channels, ...]"
        )
    return source


def _windows(size: int, side: tuple[int, int], reach: int, step: int, ceil: bool) -> int:
    """How many windows of `reach` elements there are; none begins behind the input and the padding in front of it."""
    begin, end = side
    free = size + begin + end - reach
    count = (-(-free // step) if ceil else free // step) + 1
    return count - 1 if ceil and (count - 1) * step >= size + begin else count


def _behind(sizes: Ints, kernel: Ints, stride: Ints, begin: Ints, wanted: list[int]) -> Ints:
    """How far behind the input the last window ends."""
    given = zip(sizes, kernel, stride, begin, wanted, strict=True)
    return tuple(max(0, (w - 1) * s + k - b - n) for n, k, s, b, w in given)


def _fits(begin: Ints, kernel: Ints) -> bool:
    """Whether PyTorch's pools take such a padding."""
    return all(2 * b <= k for b, k in zip(begin, kernel, strict=True))


def _begin(sides: Sides) -> Ints:
    return tuple(front for front, _ in sides)


def _end(sides: Sides) -> Ints:
    return tuple(behind for _, behind in sides)


def adaptive_average_pool(call: Call, x: Operand, sizes: Ints) -> Signal:
    """Mean over windows that give these sizes."""
    source = _pooled(x, sizes)
    return call.like(source, AdaptiveAvgPool(call.name, (source.name,), sizes))


def adaptive_max_pool(call: Call, x: Operand, sizes: Ints) -> Signal:
    """Maximum over windows that give these sizes."""
    source = _pooled(x, sizes)
    return call.like(source, AdaptiveMaxPool(call.name, (source.name,), sizes))


def largest(call: Call, x: Operand, dims: Sequence[int], keepdim: bool = False) -> Signal:
    """The maximum along dimensions: global max pooling, once these are spatial dimensions."""
    source = anywhere(x)
    over = dimensions(source, dims)
    axes = [source.layout.axis(d) for d in over]
    if source.layout.is_plain and sorted(axes) == list(range(2, len(source.shape) + 1)) and len(source.shape) <= 4:
        pooled = call.like(source, AdaptiveMaxPool(call.name, (source.name,), (1,) * len(over)))
    else:
        pooled = _largest(call, source, axes)
    return pooled if keepdim else without(call, pooled, over)


def _largest(call: Call, x: Signal, axes: Sequence[int]) -> Signal:
    """As `[batch, all that is kept, all that is compared]`, pooled along its last dimension."""
    kept = [axis for axis in range(1, len(x.shape) + 1) if axis not in axes]
    rows = math.prod(x.shape[axis - 1] for axis in kept)
    name = call.emit(Permute(call.part("permute"), (x.name,), (0, *kept, *axes)))
    name = call.emit(Reshape(call.part("rows"), (name,), (rows, math.prod(x.shape[axis - 1] for axis in axes))))
    name = call.emit(AdaptiveMaxPool(call.name, (name,), (1,)))
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape, start=1))
    return call.like(x, Reshape(call.part("reshape"), (name,), shape))


def smallest(call: Call, x: Operand, dims: Sequence[int], keepdim: bool = False) -> Signal:
    """The minimum along dimensions, `-max(-x)`."""
    return negative(call, largest(call, negative(call, anywhere(x), "negated"), dims, keepdim), "minimum")
