"""Layers that only move elements, and those that change nothing."""

from __future__ import annotations

import math
from dataclasses import replace

from respike.frontends.keras.call import LayerCall
from respike.frontends.semantics import Refused, Signal, Translator, matrices, shaping
from respike.frontends.semantics.call import spread
from respike.frontends.semantics.meaning import means


@means(shaping.reshape)
def flatten(call: LayerCall, x: Signal) -> Signal:
    """All elements in one row, channels last, whatever the layer before had."""
    source = call.plain(x)
    if call.channels_first and x.ndim > 2:
        source = shaping.permute(call.inner("channels_last"), source, (0, *range(2, x.ndim), 1))
    return shaping.reshape(call, source, (math.prod(source.shape),))


@means(shaping.reshape)
def reshape(call: LayerCall, x: Signal) -> Signal:
    """The same elements in another shape; -1 stands for what is left."""
    target, total = list(call.option("target_shape")), math.prod(x.shape)
    known = math.prod(n for n in target if n != -1)
    shape = tuple(total // known if n == -1 and known else n for n in target)
    return shaping.reshape(call, call.plain(x), shape)


@means(shaping.permute)
def permute(call: LayerCall, x: Signal) -> Signal:
    """Axes in another order, counted from 1."""
    return shaping.permute(call, call.plain(x), (0, *call.option("dims")))


@means(matrices.expand)
def repeat_vector(call: LayerCall, x: Signal) -> Signal:
    """A vector so and so often, along a new axis in front of it."""
    rows = shaping.unsqueeze(call.inner("unsqueeze"), call.plain(x), (1,))
    return matrices.expand(call, rows, (int(call.option("n")), *rows.shape[1:]))


@means(matrices.pad)
def zero_padding(call: LayerCall, x: Signal) -> Signal:
    """Zeros around each channel."""
    return _padded(call, x, "padding", 1)


@means(matrices.pad)
def cropping(call: LayerCall, x: Signal) -> Signal:
    """Each channel without its border."""
    return _padded(call, x, "cropping", -1)


def _padded(call: LayerCall, x: Signal, key: str, sign: int) -> Signal:
    """Zeros around the spatial dimensions of the node, which stand behind its channels."""
    source = call.spatial(x)
    amounts = [sign * n for side in reversed(_sides(call, len(source.shape) - 1, key)) for n in side]
    inside = replace(source, layout=replace(source.layout, channels_last=False))
    padded = matrices.pad(call, inside, amounts)
    return replace(padded, layout=replace(padded.layout, channels_last=source.layout.channels_last))


def _sides(call: LayerCall, count: int, key: str) -> list[tuple[int, int]]:
    value = call.option(key, 1)
    if isinstance(value, int):
        return [(value, value)] * count
    if count == 1 and all(isinstance(n, int) for n in value):
        return [(value[0], value[1])]
    return [(n, n) if isinstance(n, int) else (n[0], n[1]) for n in value]


@means(matrices.resample)
def up_sampling(call: LayerCall, x: Signal) -> Signal:
    """Each element repeated, or interpolated linearly between the centres of the pixels."""
    source, mode = call.spatial(x), call.option("interpolation", "nearest")
    if mode not in ("nearest", "bilinear"):
        raise Refused(f"upsampling by {mode!r} is not supported; use 'nearest' or 'bilinear'")
    count = len(source.shape) - 1
    first = 2 if call.channels_first else 1
    maps = {
        dim: matrices.interpolation(size * factor, None, mode, align=None if mode == "nearest" else False)
        for dim, size, factor in zip(
            range(first, first + count), source.shape[1:], spread(call.option("size", 2), count), strict=True
        )
    }
    return matrices.resample(call, source, maps)


@means(shaping.unchanged)
def unchanged(call: LayerCall, x: Signal) -> Signal:
    """Dropout and noise, which act in training only."""
    return shaping.unchanged(call, x)


SHAPING: dict[str, Translator] = {
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "RepeatVector": repeat_vector,
    **{f"ZeroPadding{n}D": zero_padding for n in (1, 2, 3)},
    **{f"Cropping{n}D": cropping for n in (1, 2, 3)},
    **{f"UpSampling{n}D": up_sampling for n in (1, 2, 3)},
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout"), unchanged),
    **dict.fromkeys(("GaussianDropout", "GaussianNoise", "ActivityRegularization", "Identity"), unchanged),
}
