"""Poolings, and means and maxima over dimensions."""

from __future__ import annotations

import torch

from respike.frontends.onnx.call import Operand, Operator, Refused, Signal, Translator, signal
from respike.frontends.onnx.operators.layers import torch_order
from respike.frontends.onnx.operators.windows import Sizes, sides, windows
from respike.ir import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    ElementwiseAffine,
    FixedLinear,
    MaxPool,
    Pad,
    Reshape,
)


def max_pool(op: Operator, x: Operand) -> Signal:
    """Maximum over windows; the second result, the places, is not given."""
    source = signal(x)
    kernel, steps, dilation = _window(op, source)
    begin, end = sides(op, source.shape[1:], kernel, steps, dilation)
    wanted = _counts(op, source, kernel, steps, dilation, begin, end)
    for ceil in (False, True):
        node = MaxPool(op.name, (source.name,), kernel, steps, begin, dilation, ceil)
        alone = zip(source.shape[1:], begin, _reach(kernel, dilation), steps, strict=True)
        # What a window has behind the input does not count, so only the number of windows matters.
        if wanted == [windows(n, b, b, r, s, ceil) for n, b, r, s in alone] and _fits(begin, kernel):
            return op.emit(node)
    behind = _behind(source, kernel, steps, begin, wanted)
    if any(d != 1 for d in dilation) or any(max(b, e) >= k for b, e, k in zip(begin, behind, kernel, strict=True)):
        raise Refused("pads unevenly around windows with gaps, or by whole windows; pad evenly, and less")
    padded = _repeat_border(op, source, begin, behind)
    return op.emit(MaxPool(op.name, (padded.name,), kernel, steps, (0,) * len(kernel), dilation))


def _fits(begin: Sizes, kernel: Sizes) -> bool:
    return all(2 * b <= k for b, k in zip(begin, kernel, strict=True))


def _repeat_border(op: Operator, x: Signal, begin: Sizes, end: Sizes) -> Signal:
    """`x` with its border repeated, which no maximum over a window that touches the input can tell from nothing."""
    for dim, (before, behind) in enumerate(zip(begin, end, strict=True), start=2):
        size = x.shape[dim - 1]
        if before or behind:
            places = torch.arange(-before, size + behind).clamp(0, size - 1)
            matrix = torch.nn.functional.one_hot(places, size).to(op.dtype)
            x = op.emit(FixedLinear(f"{op.name}.border", (x.name,), dim, matrix))
    return x


def average_pool(op: Operator, x: Operand) -> Signal:
    """Mean over windows, of the elements that count: those of the input, and of the padding if so asked."""
    source = signal(x)
    kernel, steps, dilation = _window(op, source)
    if any(d != 1 for d in dilation):
        raise Refused("averages windows with gaps (dilations); use a convolution")
    begin, end = sides(op, source.shape[1:], kernel, steps, dilation)
    with_pad = bool(op.integer("count_include_pad", 0))
    if begin == end and not op.integer("ceil_mode", 0) and _fits(begin, kernel):
        return op.emit(AvgPool(op.name, (source.name,), kernel, steps, begin, False, with_pad))
    behind = _behind(source, kernel, steps, begin, _counts(op, source, kernel, steps, dilation, begin, end))
    share = torch.ones((), dtype=torch.float64)
    for n, k, s, b, e, padded in zip(source.shape[1:], kernel, steps, begin, end, behind, strict=True):
        first, last = (0, b + n + e) if with_pad else (b, b + n)
        counts = torch.zeros(b + n + padded, dtype=torch.float64)
        counts[first:last] = 1
        share = share.unsqueeze(-1) * counts.unfold(0, k, s).mean(-1)
    if any(begin) or any(behind):
        source = op.emit(Pad(f"{op.name}.pad", (source.name,), torch_order(begin, behind)))
    mean = op.emit(AvgPool(op.name, (source.name,), kernel, steps, (0,) * len(kernel)))
    if bool((share == 1).all()):
        return mean
    scale = (1 / share)[None, None].to(op.dtype)
    return op.emit(ElementwiseAffine(f"{op.name}.divisor", (mean.name,), scale, torch.zeros((), dtype=op.dtype)))


def _window(op: Operator, x: Signal) -> tuple[Sizes, Sizes, Sizes]:
    count = x.ndim - 2
    if not 1 <= count <= 3:
        raise Refused(f"pools an input of {x.ndim} dimensions; 3, 4 or 5 are read")
    return op.sizes("kernel_shape", count, 1), op.sizes("strides", count, 1), op.sizes("dilations", count, 1)


def _reach(kernel: Sizes, dilation: Sizes) -> Sizes:
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def _counts(
    op: Operator, x: Signal, kernel: Sizes, steps: Sizes, dilation: Sizes, begin: Sizes, end: Sizes
) -> list[int]:
    """How many windows there are along each dimension."""
    ceil = bool(op.integer("ceil_mode", 0))
    given = zip(x.shape[1:], begin, end, _reach(kernel, dilation), steps, strict=True)
    return [windows(n, b, e, r, s, ceil) for n, b, e, r, s in given]


def _behind(x: Signal, kernel: Sizes, steps: Sizes, begin: Sizes, wanted: list[int]) -> Sizes:
    """How far behind the input the last window ends."""
    given = zip(x.shape[1:], kernel, steps, begin, wanted, strict=True)
    return tuple(max(0, (w - 1) * s + k - b - n) for n, k, s, b, w in given)


def global_average_pool(op: Operator, x: Operand) -> Signal:
    """The mean over all spatial dimensions."""
    return reduce_mean(op, x, torch.arange(2, signal(x).ndim))


def global_max_pool(op: Operator, x: Operand) -> Signal:
    """The maximum over all spatial dimensions."""
    return reduce_max(op, x, torch.arange(2, signal(x).ndim))


def reduce_mean(op: Operator, x: Operand, axes: Operand | None = None) -> Signal:
    """The mean over dimensions."""
    source, dims = signal(x), _dims(op, x, axes)
    if dims and min(dims) >= 2 and source.ndim <= 5:
        sizes = tuple(1 if dim in dims else source.shape[dim - 1] for dim in range(2, source.ndim))
        return _without(op, dims, op.emit(AdaptiveAvgPool(op.name, (source.name,), sizes)))
    return _summed(op, source, dims, mean=True)


def reduce_sum(op: Operator, x: Operand, axes: Operand | None = None) -> Signal:
    """The sum over dimensions."""
    return _summed(op, signal(x), _dims(op, x, axes), mean=False)


def reduce_max(op: Operator, x: Operand, axes: Operand | None = None) -> Signal:
    """The maximum over all spatial dimensions."""
    source, dims = signal(x), _dims(op, x, axes)
    if not dims or dims != tuple(range(2, source.ndim)) or source.ndim > 5:
        raise Refused("a maximum over something other than all spatial dimensions")
    return _without(op, dims, op.emit(AdaptiveMaxPool(op.name, (source.name,), (1,) * len(dims))))


def _summed(op: Operator, x: Signal, dims: Sizes, mean: bool) -> Signal:
    for dim in dims:
        size = x.shape[dim - 1]
        matrix = torch.full((1, size), 1 / size if mean else 1.0, dtype=op.dtype)
        x = op.emit(FixedLinear(op.name, (x.name,), dim, matrix))
    return _without(op, dims, x)


def _without(op: Operator, dims: Sizes, x: Signal) -> Signal:
    """`x` without the dimensions that a reduction left with one element, unless they are to be kept."""
    if op.integer("keepdims", 1) or not dims:
        return x
    shape = tuple(n for dim, n in enumerate(x.shape, start=1) if dim not in dims)
    return op.emit(Reshape(f"{op.name}.flatten", (x.name,), shape))


def _dims(op: Operator, x: Operand, axes: Operand | None) -> Sizes:
    """The dimensions that a reduction works over, in order."""
    source, wanted = signal(x), op.integers("axes", axes)
    if not wanted:
        if op.integer("noop_with_empty_axes", 0):
            return ()
        wanted = tuple(range(source.ndim))
    dims = tuple(sorted({axis % source.ndim for axis in wanted}))
    if 0 in dims:
        raise Refused("works along dimension 0, the batch; samples must not be mixed")
    return dims


POOLING: dict[str, Translator] = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "ReduceMean": reduce_mean,
    "ReduceSum": reduce_sum,
    "ReduceMax": reduce_max,
}
