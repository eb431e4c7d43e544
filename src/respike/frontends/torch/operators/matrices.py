"""What a matrix along one dimension does: resizing, padding, sums, picking elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from respike.frontends.semantics import matrices, shaping
from respike.frontends.semantics.call import (
    Call,
    Operand,
    Refused,
    Result,
    Signal,
    Translator,
    anywhere,
    signal,
    weights,
)
from respike.frontends.semantics.meaning import means
from respike.frontends.torch.call import Ints, TorchCall, reduced, several


def interpolation(mode: str, *, antialias: bool = False) -> Callable[..., Result]:
    """Interpolation of `[batch, channels, *space]`, dimension by dimension, each by torch's own matrix."""
    nearest = mode.startswith("nearest")

    @means(matrices.resample)
    def interpolate(call: Call, x: Operand, size: Ints | None, *options: object) -> Result:
        """Options are align_corners where the mode has it, and the scales."""
        count = signal(x).ndim - 2
        align = None if nearest else bool(options[0])
        given = options[-1] if options and isinstance(options[-1], list | tuple) else None
        scales: Sequence[float | None] = given or (None,) * count
        targets: Sequence[int | None] = size or (None,) * count
        pairs = enumerate(zip(targets, scales, strict=True), start=2)
        maps = {
            dim: matrices.interpolation(target, scale, mode, align=align, antialias=antialias)
            for dim, (target, scale) in pairs
        }
        return matrices.resample(call, x, maps)

    return interpolate


@means(matrices.pad)
def pad(call: Call, x: Operand, amounts: Ints, mode: str = "constant", value: float | None = None) -> Signal:
    """A constant around the input, or its own elements."""
    return matrices.pad(call, x, amounts, mode, value or 0.0)


@means(matrices.pad)
def constant_pad(call: Call, x: Operand, amounts: Ints, value: float = 0.0) -> Signal:
    """A constant around the input."""
    return matrices.pad(call, x, amounts, "constant", value)


@means(matrices.expand)
def expand(call: TorchCall, x: Operand, *_: object, **__: object) -> Signal:
    """Dimensions of one element repeated to the size that the graph says."""
    source = anywhere(x)
    if call.layout.ndim != source.ndim or call.layout.batch != source.layout.batch:
        raise Refused("adds dimensions in front of the batch; unsqueeze the input first")
    return matrices.expand(call, source, call.layout.shape)


@means(matrices.repeat_interleave)
def repeat_interleave(call: Call, x: Operand, times: int | Tensor, dim: int | None = None, **_: object) -> Signal:
    """Each element along a dimension so and so often, or by a number for each."""
    if dim is None:
        raise Refused("repeats the flattened batch; name the dimension")
    if isinstance(times, int):
        return matrices.repeat_interleave(call, x, times, dim)
    counts = weights(times)
    if counts.numel() == 1:
        return matrices.repeat_interleave(call, x, int(counts), dim)
    return shaping.gather(call, x, dim, torch.arange(len(counts)).repeat_interleave(counts).tolist())


@means(matrices.cumulative_sum)
def cumulative_sum(call: Call, x: Operand, dim: int, **_: object) -> Signal:
    """The sum of all elements so far along a dimension."""
    return matrices.cumulative_sum(call, x, dim)


@means(shaping.gather)
def index_select(call: Call, x: Operand, dim: int, index: Operand) -> Signal:
    """Elements along a dimension by fixed numbers."""
    if not isinstance(index, Tensor) or index.ndim > 1:
        raise Refused("picks elements by numbers that depend on the input, or by a table of numbers")
    return shaping.gather(call, x, dim, index.reshape(-1).tolist())


@means(shaping.gather)
def index(call: Call, x: Operand, indices: Sequence[Operand | None]) -> Signal:
    """Elements along one dimension by a fixed list of numbers or of truth values, `x[:, [2, 0, 1]]`."""
    match [(dim, numbers) for dim, numbers in enumerate(indices) if numbers is not None]:
        case [(dim, Tensor(ndim=1) as numbers)]:
            return index_select(call, x, dim, numbers.nonzero()[:, 0] if numbers.dtype == torch.bool else numbers)
        case _:
            raise Refused("picks elements along several dimensions at once, or by numbers that depend on the input")


@means(matrices.length)
def vector_norm(
    call: Call, x: Operand, order: float = 2, dims: Ints | int | None = None, keepdim: bool = False, **_: object
) -> Signal:
    """The Euclidean length along dimensions."""
    if order != 2:
        raise Refused("is a length other than the Euclidean one; use the order 2")
    return matrices.length(call, x, several(dims), keepdim)


def statistic(over: Callable[..., Signal], *, and_mean: bool = False) -> Callable[..., Result]:
    """A variance or a deviation, by any of its overloads; perhaps the mean behind it."""

    @means(over)
    def translate(
        call: Call,
        x: Operand,
        dims: Ints | int | bool | None = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> Result:
        everywhere = dims is None or isinstance(dims, bool)  # the batch, too, which is refused
        along = () if everywhere else several(dims)
        found = over(call, x, along, float(unbiased) if correction is None else correction, keepdim)
        return (found, matrices.mean(call, x, along, keepdim)) if and_mean else found

    return translate


aten = torch.ops.aten

MATRICES: dict[object, Translator] = {
    **{getattr(aten, f"upsample_nearest{n}d"): interpolation("nearest") for n in (1, 2, 3)},
    **{getattr(aten, f"_upsample_nearest_exact{n}d"): interpolation("nearest-exact") for n in (1, 2, 3)},
    **dict.fromkeys((aten.upsample_linear1d, aten.upsample_bilinear2d), interpolation("bilinear")),
    aten.upsample_trilinear3d: interpolation("bilinear"),
    aten.upsample_bicubic2d: interpolation("bicubic"),
    aten._upsample_bilinear2d_aa: interpolation("bilinear", antialias=True),
    aten._upsample_bicubic2d_aa: interpolation("bicubic", antialias=True),
    aten.pad: pad,
    aten.constant_pad_nd: constant_pad,
    aten.linalg_vector_norm: vector_norm,
    aten.mean: reduced(matrices.mean),
    aten.sum: reduced(matrices.total),
    aten.var: statistic(matrices.variance),
    aten.std: statistic(matrices.deviation),
    aten.var_mean: statistic(matrices.variance, and_mean=True),
    aten.std_mean: statistic(matrices.deviation, and_mean=True),
    aten.expand: expand,
    aten.repeat_interleave: repeat_interleave,
    aten.flip: matrices.flip,
    aten.cumsum: cumulative_sum,
    aten.index_select: index_select,
    aten.index: index,
}
