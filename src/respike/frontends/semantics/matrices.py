"""Fixed linear maps along single dimensions: resampling, padding that reflects, means and sums, repetition."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from respike.frontends.semantics import arithmetic
from respike.frontends.semantics.call import Call, Layout, Operand, Refused, Signal, any_numbers, anywhere, signal
from respike.ir import Activation, AdaptiveAvgPool, FixedLinear, Multiply, Pad, Reshape, Root

Ints: TypeAlias = Sequence[int]
LARGEST_MATRIX = 2**26
"""Elements that the matrix of a fixed map may have."""
PAD_MODES = ("constant", "reflect", "replicate", "circular")


def along(call: Call, x: Operand, dim: int, matrix: Tensor) -> Signal:
    """`y = M x` along one of the framework's dimensions; the identity gives the signal itself."""
    source = any_numbers(x)
    size = source.layout.size(dim)
    if len(matrix) == size and torch.equal(matrix, torch.eye(size, dtype=matrix.dtype, device=matrix.device)):
        return source
    return call.like(source, FixedLinear(call.name, (source.name,), source.layout.axis(dim), call.constant(matrix)))


def matrix_of(function: Callable[[Tensor], Tensor], size: int) -> Tensor:
    """The matrix `[out, size]` of a linear map of vectors, found by mapping all unit vectors `[size, size]` at once."""
    check_matrix(size, size)
    check_matrix(function(torch.empty(size, size, dtype=torch.float64, device="meta")).shape[1], size)
    return function(torch.eye(size, dtype=torch.float64)).t()


def check_matrix(outputs: int, inputs: int) -> None:
    """Refuses a matrix that is too large, before it is made."""
    if outputs * inputs > LARGEST_MATRIX:
        raise Refused(f"maps {inputs} elements to {outputs} by a matrix, which is more than respike takes")


def check_size(elements: int) -> None:
    """Refuses a dimension that no network has, before anything is made for it."""
    if elements > LARGEST_MATRIX:
        raise Refused(f"makes {elements} elements of one, which is more than respike takes")


def resample(call: Call, x: Operand, maps: Mapping[int, Callable[[Tensor], Tensor]]) -> Signal:
    """Interpolation, dimension by dimension: each maps vectors `[count, size]` to others `[count, new size]`."""
    source = signal(x)
    for dim, function in maps.items():
        source = along(call, source, dim, matrix_of(function, source.layout.size(dim)))
    return source


def interpolation(
    target: int | None, scale: float | None, mode: str, *, align: bool | None = None, antialias: bool = False
) -> Callable[[Tensor], Tensor]:
    """PyTorch's own interpolation of vectors `[count, size]`, to a size or by a factor."""

    def resampled(units: Tensor) -> Tensor:
        size, factor = (None, (1.0, scale)) if target is None else ((1, target), None)
        rows = units[None, :, None]  # as columns, torch's antialiased kernel gets them wrong
        resized: Tensor = F.interpolate(rows, size, factor, mode, align, antialias=antialias)  # type: ignore[arg-type]
        return resized[0, :, 0]

    return resampled


def pad(call: Call, x: Operand, amounts: Ints, mode: str = "constant", value: float = 0.0) -> Signal:
    """A constant around the input, or its own elements by one of torch's modes.

    `amounts` are in front of and behind the last dimension, then of the last but one, and so on; negative ones crop.
    """
    source = anywhere(x)
    if not any(amounts):
        return source
    if mode not in PAD_MODES:
        raise Refused(f"pads by {mode!r}, which is not supported; use one of {', '.join(PAD_MODES)}")
    if mode == "constant":
        return _constant_pad(call, source, amounts, value)
    for number in range(len(amounts) // 2):
        sides = tuple(amounts[2 * number : 2 * number + 2])
        if any(sides):
            dim = source.ndim - 1 - number
            source = along(call, source, dim, matrix_of(_padding(sides, mode), source.layout.size(dim)))
    return source


def _padding(sides: tuple[int, ...], mode: str) -> Callable[[Tensor], Tensor]:
    return lambda units: F.pad(units[None], sides, mode)[0]


def _constant_pad(call: Call, x: Signal, amounts: Ints, value: float) -> Signal:
    if value in (float("inf"), -float("inf")):
        raise Refused(
            f"padding with {value} is not supported; pad with a finite number, or give the max pool a padding"
        )
    behind = x.ndim - 1 - x.layout.batch  # dimensions behind the batch
    if any(amounts[2 * behind :]):
        raise Refused("pads the batch dimension, or one in front of it")
    return call.like(x, Pad(call.name, (x.name,), tuple(amounts[: 2 * behind]), float(value)))


def mean(call: Call, x: Operand, dims: Ints, keepdim: bool = False) -> Signal:
    """The mean along dimensions; global average pooling where these are spatial."""
    source = anywhere(x)
    over = dimensions(source, dims)
    axes = {source.layout.axis(d) for d in over}
    if source.layout.is_plain and min(axes, default=0) > 1 and len(source.shape) in (2, 3, 4):
        sizes = tuple(1 if axis in axes else source.shape[axis - 1] for axis in range(2, len(source.shape) + 1))
        pooled = call.like(source, AdaptiveAvgPool(call.name, (source.name,), sizes))
        return pooled if keepdim else without(call, pooled, over)
    return _reduced(call, source, over, keepdim, [1 / source.layout.size(d) for d in over])


def total(call: Call, x: Operand, dims: Ints, keepdim: bool = False) -> Signal:
    """The sum along dimensions."""
    source = anywhere(x)
    over = dimensions(source, dims)
    return _reduced(call, source, over, keepdim, [1.0] * len(over))


def length(call: Call, x: Operand, dims: Ints, keepdim: bool = False) -> Signal:
    """The root of the sum of squares along dimensions, which norms take: `x / ‖x‖`; anywhere else it is refused."""
    source = anywhere(x)
    squared = call.like(source, Multiply(call.part("square"), (source.name, source.name)))
    summed = total(call, squared, dims, keepdim)
    return call.like(summed, Activation(call.part("root"), (summed.name,), Root()))


def variance(call: Call, x: Operand, dims: Ints, correction: float = 1, keepdim: bool = False) -> Signal:
    """`Σ (x - mean)² / (elements - correction)` along dimensions; norms take its root."""
    source = anywhere(x)
    over = dimensions(source, dims)
    left = math.prod(source.layout.size(d) for d in over) - correction
    if left <= 0:
        raise Refused(f"divides by {left:g}, the elements that it looks at less its correction")
    average = mean(replace(call, name=call.part("mean")), source, over, keepdim=True)
    centred = arithmetic.sub(replace(call, name=call.part("centred")), source, average)
    squared = call.like(centred, Multiply(call.part("square"), (centred.name, centred.name)))
    return _reduced(call, squared, over, keepdim, [1.0] * (len(over) - 1) + [1 / left])


def deviation(call: Call, x: Operand, dims: Ints, correction: float = 1, keepdim: bool = False) -> Signal:
    """The root of `variance`, which norms take, `(x - mean) / (deviation + ε)`; anywhere else it is refused."""
    found = variance(replace(call, name=call.part("variance")), x, dims, correction, keepdim)
    return call.like(found, Activation(call.name, (found.name,), Root()))


def dimensions(x: Signal, dims: Ints) -> list[int]:
    """The framework's dimensions in order, none of them the batch; all where none is named."""
    over = sorted({d % x.ndim for d in dims} or range(x.ndim))
    for dim in over:
        x.layout.axis(dim)  # refuses the batch
    return over


def without(call: Call, x: Signal, dims: Ints) -> Signal:
    """`x` without these dimensions, which have one element each."""
    left: Layout = x.layout.without(dims)
    if left.shape == x.shape:
        return x
    return replace(x, name=call.emit(Reshape(call.part("flatten"), (x.name,), left.shape)), layout=left)


def _reduced(call: Call, x: Signal, over: list[int], keepdim: bool, factors: list[float]) -> Signal:
    for dim, factor in zip(over, factors, strict=True):
        x = along(call, x, dim, torch.full((1, x.layout.size(dim)), factor, dtype=torch.float64))
    return x if keepdim else without(call, x, over)


def expand(call: Call, x: Operand, shape: Ints) -> Signal:
    """Dimensions of one element repeated to `shape`, the node's per-sample shape."""
    source = anywhere(x)
    if len(shape) != len(source.shape):
        raise Refused("adds dimensions in front of the batch; unsqueeze the input first")
    for axis, (before, after) in enumerate(zip(source.shape, shape, strict=True), start=1):
        if before != after:
            check_size(after)
            node = FixedLinear(call.name, (source.name,), axis, call.constant(torch.ones(after, 1)))
            source = call.like(source, node)
    return source


def repeat_interleave(call: Call, x: Operand, times: int, dim: int) -> Signal:
    """Each element along a dimension so and so often."""
    size = anywhere(x).layout.size(dim)
    return along(call, x, dim, matrix_of(lambda units: units.repeat_interleave(times, 1), size))


def flip(call: Call, x: Operand, dims: Ints) -> Signal:
    """Dimensions in reverse order."""
    source = anywhere(x)
    for dim in dims:
        source = along(call, source, dim, matrix_of(lambda units: units.flip(1), source.layout.size(dim)))
    return source


def cumulative_sum(
    call: Call, x: Operand, dim: int, *, backwards: bool = False, without_itself: bool = False
) -> Signal:
    """The sum of all elements so far along a dimension."""
    size = anywhere(x).layout.size(dim)
    check_matrix(size, size)
    matrix = torch.ones(size, size, dtype=torch.float64).tril(-1 if without_itself else 0)
    return along(call, x, dim, matrix.t() if backwards else matrix)
