"""Layers that only move elements, and those that change nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from respike.frontends.keras.call import Call, Signal, Translator
from respike.frontends.keras.layers.windows import spread
from respike.frontends.semantics import Refused
from respike.ir import FixedLinear, Pad, Permute, Reshape

_LARGEST = 2**26
"""Elements of the matrix that stretches a dimension."""


def flatten(call: Call, x: Signal) -> Signal:
    """All elements in one row, channels last, whatever the layer before had."""
    first = call.channels_first and len(call.shape(x)) > 1
    source = call.draft.plain(Signal(call.draft.plain(x), moved=True)) if first else call.draft.plain(x)
    if len(call.shape(x)) == 1:
        return x
    return Signal(call.emit(Reshape(call.name, (source,), (math.prod(call.shape(x)),))))


def reshape(call: Call, x: Signal) -> Signal:
    """The same elements in another shape; -1 stands for what is left."""
    target, total = list(call.option("target_shape")), math.prod(call.shape(x))
    known = math.prod(n for n in target if n != -1)
    shape = tuple(total // known if n == -1 and known else n for n in target)
    return Signal(call.emit(Reshape(call.name, (call.draft.plain(x),), shape)))


def permute(call: Call, x: Signal) -> Signal:
    """Axes in another order, counted from 1."""
    return Signal(call.emit(Permute(call.name, (call.draft.plain(x),), (0, *call.option("dims")))))


def zero_padding(call: Call, x: Signal) -> Signal:
    """Zeros around each channel."""
    return _padded(call, x, _sides(call, x, "padding"), 1)


def cropping(call: Call, x: Signal) -> Signal:
    """Each channel without its border."""
    return _padded(call, x, _sides(call, x, "cropping"), -1)


def _sides(call: Call, x: Signal, key: str) -> list[tuple[int, int]]:
    count = len(call.shape(x)) - 1
    value = call.option(key, 1)
    if isinstance(value, int):
        return [(value, value)] * count
    if count == 1 and all(isinstance(n, int) for n in value):
        return [(value[0], value[1])]
    return [(n, n) if isinstance(n, int) else (n[0], n[1]) for n in value]


def _padded(call: Call, x: Signal, sides: Sequence[tuple[int, int]], sign: int) -> Signal:
    amounts = tuple(sign * n for side in reversed(sides) for n in side)
    return call.given(call.emit(Pad(call.name, (call.spatial(x),), amounts)))


def up_sampling(call: Call, x: Signal) -> Signal:
    """Each element repeated, or interpolated linearly between the centres of the pixels."""
    name, linear = call.spatial(x), call.option("interpolation", "nearest")
    if linear not in ("nearest", "bilinear"):
        raise Refused(f"upsampling by {linear!r} is not supported; use 'nearest' or 'bilinear'")
    sizes = call.draft.shape(name)[1:]
    factors = spread(call.option("size", 2), len(sizes))
    for dim, (size, factor) in enumerate(zip(sizes, factors, strict=True), start=2):
        if factor * size**2 > _LARGEST:
            raise Refused(f"upsampling {size} elements by {factor} is more than respike takes")
        if factor != 1:
            matrix = call.constant(_stretch(size, factor, linear == "bilinear"))
            name = call.emit(FixedLinear(call.name, (name,), dim, matrix))
    return call.given(name)


def _stretch(size: int, factor: int, linear: bool) -> torch.Tensor:
    """The matrix `[factor · size, size]` that stretches one dimension."""
    unit = torch.eye(size, dtype=torch.float64)
    if not linear:
        return unit.repeat_interleave(factor, 0)
    stretched = F.interpolate(unit.unsqueeze(0), size=factor * size, mode="linear", align_corners=False)
    return stretched[0].t().contiguous()


def unchanged(call: Call, x: Signal) -> Signal:
    """Dropout and noise, which act in training only."""
    return x


SHAPING: dict[str, Translator] = {
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    **{f"ZeroPadding{n}D": zero_padding for n in (1, 2, 3)},
    **{f"Cropping{n}D": cropping for n in (1, 2, 3)},
    **{f"UpSampling{n}D": up_sampling for n in (1, 2, 3)},
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout"), unchanged),
    **dict.fromkeys(("GaussianDropout", "GaussianNoise", "ActivityRegularization", "Identity"), unchanged),
}
