"""Fixed linear maps along one dimension: interpolation, padding that reflects, means and sums, repetition."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from respike.frontends.semantics.call import (
    Call,
    Operand,
    Refused,
    Result,
    Signal,
    Translator,
    anywhere,
    signal,
)
from respike.ir import AdaptiveAvgPool, FixedLinear, Pad, Reshape

Ints = Sequence[int]


def matrix_of(function: Callable[[Tensor], Tensor], size: int) -> Tensor:
    """The matrix `[out, size]` of a linear map of vectors, found by mapping all unit vectors `[size, size]` at once."""
    return function(torch.eye(size, dtype=torch.float64)).t()


def along(call: Call, x: Signal, dim: int, matrix: Tensor) -> str:
    """`y = M x` along one of the graph's dimensions."""
    return call.emit(FixedLinear(call.name, (x.name,), x.layout.axis(dim), call.constant(matrix)))


def interpolation(mode: str, *, antialias: bool = False) -> Translator:
    """Interpolation of `[batch, channels, *space]`, dimension by dimension, each by torch's own matrix."""
    nearest = mode.startswith("nearest")

    def interpolate(call: Call, x: Operand, size: Ints | None, *options: object) -> Result:
        """Interpolation; options are align_corners where the mode has it, and the scales."""
        source = signal(x)
        align = None if nearest else bool(options[0])
        given = options[-1] if options and isinstance(options[-1], list | tuple) else None
        scales: Sequence[float | None] = given or (None,) * (source.ndim - 2)
        name = source.name
        for dim, scale in enumerate(scales, start=2):
            target = None if size is None else (1, size[dim - 2])

            def resample(units: Tensor, target: tuple[int, int] | None = target, scale: float | None = scale) -> Tensor:
                factor = None if target or scale is None else (1.0, scale)
                rows = units[None, :, None]  # as columns, torch's antialiased kernel gets them wrong
                resized = F.interpolate(rows, target, factor, mode, align, antialias=antialias)
                return resized[0, :, 0]

            matrix = matrix_of(resample, source.shape[dim - 1])
            if not torch.equal(matrix, torch.eye(len(matrix), dtype=matrix.dtype)):
                name = call.emit(FixedLinear(call.name, (name,), dim, call.constant(matrix)))
        return Signal(name, call.layout)

    return interpolate


def pad(call: Call, x: Operand, amounts: Ints, mode: str = "constant", value: float | None = None) -> Result:
    """A constant around the input, or its own elements by one of torch's modes."""
    source = anywhere(x)
    if not any(amounts):
        return source
    if mode == "constant":
        return constant_pad(call, source, amounts, value or 0.0)
    name = source.name
    for number in range(len(amounts) // 2):
        sides = tuple(amounts[2 * number : 2 * number + 2])
        dim = source.ndim - 1 - number
        if any(sides):
            matrix = matrix_of(lambda units, sides=sides: F.pad(units[None], sides, mode)[0], source.layout.size(dim))  # type: ignore[misc]
            name = call.emit(FixedLinear(call.name, (name,), source.layout.axis(dim), call.constant(matrix)))
    return Signal(name, call.layout)


def constant_pad(call: Call, x: Operand, amounts: Ints, value: float = 0.0) -> Result:
    """A constant around the input."""
    source = anywhere(x)
    if value in (float("inf"), -float("inf")):
        raise Refused(
            f"padding with {value} is not supported; pad with a finite number, or give the max pool a padding"
        )
    behind = source.ndim - 1 - source.layout.batch  # dimensions behind the batch
    if any(amounts[2 * behind :]):
        raise Refused("pads the batch dimension, or one in front of it")
    return call.emit(Pad(call.name, (source.name,), tuple(amounts[: 2 * behind]), float(value)))


def mean(call: Call, x: Operand, dims: Ints | int | None = None, keepdim: bool = False, dtype: object = None) -> Result:
    """The mean along dimensions; global average pooling where these are spatial."""
    source = anywhere(x)
    over = _dimensions(source, dims)
    if source.layout.is_plain and min(over) > 1 and source.ndim in (3, 4, 5):
        sizes = tuple(1 if d in over else source.shape[d - 1] for d in range(2, source.ndim))
        name = call.emit(AdaptiveAvgPool(call.name, (source.name,), sizes))
        return name if keepdim else call.emit(Reshape(f"{call.name}.flatten", (name,), call.shape))
    return _reduce(call, source, over, [1 / source.layout.size(d) for d in over])


def total(
    call: Call, x: Operand, dims: Ints | int | None = None, keepdim: bool = False, dtype: object = None
) -> Result:
    """The sum along dimensions."""
    source = anywhere(x)
    over = _dimensions(source, dims)
    return _reduce(call, source, over, [1.0] * len(over))


def _dimensions(source: Signal, dims: Ints | int | None) -> list[int]:
    wanted = (dims,) if isinstance(dims, int) else dims or range(source.ndim)
    over = sorted({d % source.ndim for d in wanted})
    for dim in over:
        source.layout.axis(dim)  # refuses the batch
    return over


def _reduce(call: Call, source: Signal, over: list[int], weights: list[float]) -> Result:
    name = source.name
    for dim, weight in zip(over, weights, strict=True):
        row = call.constant(torch.full((1, source.layout.size(dim)), weight, dtype=torch.float64))
        name = call.emit(FixedLinear(call.name, (name,), source.layout.axis(dim), row))
    kept = list(source.shape)
    for dim in over:
        kept[source.layout.axis(dim) - 1] = 1
    return name if tuple(kept) == call.shape else call.emit(Reshape(f"{call.name}.flatten", (name,), call.shape))


def expand(call: Call, x: Operand, *_: object, **__: object) -> Result:
    """Dimensions of one element repeated to the size that the graph says."""
    source = anywhere(x)
    if call.layout.ndim != source.ndim or call.layout.batch != source.layout.batch:
        raise Refused("adds dimensions in front of the batch; unsqueeze the input first")
    name = source.name
    for number, (before, after) in enumerate(zip(source.shape, call.shape, strict=True), start=1):
        if before != after:
            name = call.emit(FixedLinear(call.name, (name,), number, call.constant(torch.ones(after, 1))))
    return Signal(name, source.layout) if name == source.name else name


def repeat_interleave(call: Call, x: Operand, times: int, dim: int | None = None, *_: object, **__: object) -> Result:
    """Each element along a dimension so and so often."""
    source = anywhere(x)
    if dim is None or not isinstance(times, int):
        raise Refused("repeats the flattened batch, or elements by different numbers")
    return along(call, source, dim, torch.eye(source.layout.size(dim)).repeat_interleave(times, 0))


def flip(call: Call, x: Operand, dims: Ints) -> Result:
    """Dimensions in reverse order."""
    source = anywhere(x)
    name = source.name
    for dim in dims:
        axis, size = source.layout.axis(dim), source.layout.size(dim)
        name = call.emit(FixedLinear(call.name, (name,), axis, call.constant(torch.eye(size).flip(0))))
    return Signal(name, source.layout)


def cumulative_sum(call: Call, x: Operand, dim: int, **_: object) -> Result:
    """The sum of all elements so far along a dimension."""
    source = anywhere(x)
    return along(call, source, dim, torch.ones(source.layout.size(dim), source.layout.size(dim)).tril())


def index_select(call: Call, x: Operand, dim: int, index: Operand) -> Result:
    """Elements along a dimension by fixed numbers."""
    source = anywhere(x)
    if not isinstance(index, Tensor) or index.ndim > 1:
        raise Refused("picks elements by numbers that depend on the input, or by a table of numbers")
    return along(call, source, dim, torch.eye(source.layout.size(dim))[index.reshape(-1).cpu()])


def index(call: Call, x: Operand, indices: Sequence[Operand | None]) -> Result:
    """Elements along one dimension by a fixed list of numbers, `x[:, [2, 0, 1]]`."""
    match [(dim, numbers) for dim, numbers in enumerate(indices) if numbers is not None]:
        case [(dim, Tensor(ndim=1) as numbers)]:
            return index_select(call, x, dim, numbers.nonzero() if numbers.dtype == torch.bool else numbers)
        case _:
            raise Refused("picks elements along several dimensions at once, or by numbers that depend on the input")
