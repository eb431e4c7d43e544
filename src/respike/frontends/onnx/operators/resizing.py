"""Resize and Upsample: every output is a fixed mixture of inputs, so they are matrices along single dimensions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from respike.frontends.onnx.call import Operator, whole_numbers
from respike.frontends.semantics import Refused, Signal, matrices
from respike.frontends.semantics.call import Operand, Translator, signal, weights
from respike.frontends.semantics.meaning import means


@means(matrices.resample)
def resize(
    op: Operator, x: Operand, region: Operand | None = None, scales: Operand | None = None, sizes: Operand | None = None
) -> Signal:
    """Resampling by scales or to sizes, nearest or linear."""
    if op.opset < 11:  # Resize of opset 10 has its scales in the second place
        return upsample(op, x, region)
    source = signal(x)
    if op.integer("antialias", 0) or op.integer("exclude_outside", 0):
        raise Refused("resamples with antialias or exclude_outside; export it without")
    if op.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Refused("keeps an aspect ratio; give the sizes themselves")
    axes = op.integers("axes") or tuple(range(source.ndim))
    lengths = (1, *source.shape)
    if sizes is not None and weights(sizes).numel():
        wanted = dict(zip(axes, whole_numbers(sizes, "sizes"), strict=True))
        targets = {dim: (n, n / lengths[dim]) for dim, n in wanted.items() if dim}
    else:
        factors = dict(zip(axes, _factors(scales), strict=True))
        targets = {dim: (math.floor(lengths[dim] * f), f) for dim, f in factors.items() if dim or f != 1}
    return _resampled(op, source, targets, op.text("coordinate_transformation_mode", "half_pixel"))


@means(matrices.resample)
def upsample(op: Operator, x: Operand, scales: Operand | None) -> Signal:
    """Resampling as opsets 9 and 10 have it: the first element of the input is that of the output."""
    source = signal(x)
    factors = enumerate(_factors(scales))
    targets = {dim: (math.floor(([1, *source.shape])[dim] * f), f) for dim, f in factors if dim or f != 1}
    return _resampled(op, source, targets, "asymmetric")


def _factors(scales: Operand | None) -> list[float]:
    return [float(f) for f in weights(scales).reshape(-1).tolist()]


def _resampled(op: Operator, x: Signal, targets: dict[int, tuple[int, float]], places: str) -> Signal:
    if 0 in targets:
        raise Refused("works along dimension 0, the batch; samples must not be mixed")
    for dim, (length, scale) in sorted(targets.items()):
        size = x.layout.size(dim)
        if length * size > matrices.LARGEST_MATRIX:
            raise Refused(f"resamples {size} elements to {length}, which is more than respike takes")
        if length != size or scale != 1:
            x = matrices.along(op, x, dim, _mixture(op, _coordinates(places, size, length, scale), size))
    return x


def _coordinates(places: str, size: int, length: int, scale: float) -> Tensor:
    """Where in the input each element of the output lies."""
    index = torch.arange(length, dtype=torch.float32)  # as the runtimes do, which matters where places are rounded
    match places:
        case "half_pixel":
            return (index + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (index + 0.5) / scale - 0.5 if length > 1 else index * 0
        case "half_pixel_symmetric":
            return size / 2 * (1 - length / (scale * size)) + (index + 0.5) / scale - 0.5
        case "align_corners" if abs(scale * size - length) > 1e-3:
            raise Refused(
                f"aligns the corners of {size} elements times {scale:g}, which is no whole number, and which runtimes "
                "compute differently; give it sizes in the place of scales"
            )
        case "align_corners":
            return index * ((size - 1) / (length - 1)) if length > 1 else index * 0
        case "asymmetric":
            return index / scale
        case _:
            raise Refused(f"resamples by {places!r}, which is not read")


def _mixture(op: Operator, places: Tensor, size: int) -> Tensor:
    """The matrix `[out, in]` that reads the input at these places."""
    mode = op.text("mode", "nearest")
    if mode == "nearest":
        parts = [(_nearest(op, places), torch.ones_like(places))]
    elif mode == "linear":
        low = places.floor()
        parts = [(low, 1 - (places - low)), (low + 1, places - low)]
    else:
        raise Refused(f"resamples by {mode!r}; nearest and linear are read")
    rows, matrix = torch.arange(len(places)), torch.zeros(len(places), size)
    for at, weight in parts:
        matrix.index_put_((rows, at.long().clamp(0, size - 1)), weight, accumulate=True)
    return matrix


def _nearest(op: Operator, places: Tensor) -> Tensor:
    mode = op.text("nearest_mode", "floor" if op.opset < 11 else "round_prefer_floor")
    match mode:
        case "round_prefer_floor":
            return torch.ceil(places - 0.5)
        case "round_prefer_ceil":
            return torch.floor(places + 0.5)
        case "floor":
            return torch.floor(places)
        case "ceil":
            return torch.ceil(places)
        case _:
            raise Refused(f"rounds by {mode!r}, which is not read")


RESIZING: dict[str, Translator] = {"Resize": resize, "Upsample": upsample}
