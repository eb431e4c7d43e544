"""Normalisations and rescalings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from respike.frontends.keras.call import Call, Signal, Translator
from respike.frontends.semantics import Refused
from respike.ir import BatchNorm, ElementwiseAffine, GroupNorm, LayerNorm

_SMALLEST_DEVIATION = 1e-7  # keras.config.epsilon(), by which Normalization bounds the deviation from below


def batch_normalization(call: Call, x: Signal) -> Signal:
    """Batch normalisation with its moving statistics, along the last axis or the first behind the batch."""
    if call.option("renorm", False):
        raise Refused("batch renormalisation is not supported; use BatchNormalization(renorm=False)")
    ndim = len(call.shape(x)) + 1
    axis = call.option("axis", -1) % ndim
    if axis not in (1, ndim - 1):
        raise Refused(f"normalises along axis {axis}; only the channels, first or last, can be normalised")
    moved = axis == ndim - 1 and ndim > 2
    name = call.draft.moved(x) if moved else call.draft.plain(x)
    v = call.variables
    mean, variance, epsilon = v["moving_mean"], v["moving_variance"], float(call.option("epsilon", 1e-3))
    return Signal(
        call.emit(BatchNorm(call.name, (name,), mean, variance, v.get("gamma"), v.get("beta"), epsilon)), moved
    )


def layer_normalization(call: Call, x: Signal) -> Signal:
    """Normalisation of each sample over its last axes."""
    if call.option("rms_scaling", False):
        raise Refused("root-mean-square scaling is not supported; use rms_scaling=False")
    shape = call.shape(x)
    axis = call.option("axis", -1)
    axes = sorted(a % (len(shape) + 1) for a in ([axis] if isinstance(axis, int) else axis))
    if axes != list(range(axes[0], len(shape) + 1)) or not axes[0]:
        raise Refused(f"normalises along the axes {axes}; only the last ones can be normalised")
    gamma, beta = call.variables.get("gamma"), call.variables.get("beta")
    epsilon = float(call.option("epsilon", 1e-3))
    return Signal(call.emit(LayerNorm(call.name, (call.draft.plain(x),), shape[axes[0] - 1 :], gamma, beta, epsilon)))


def group_normalization(call: Call, x: Signal) -> Signal:
    """Normalisation of each sample over groups of channels."""
    shape = call.shape(x)
    ndim = len(shape) + 1
    axis = call.option("axis", -1) % ndim
    if axis not in (1, ndim - 1):
        raise Refused(f"normalises along axis {axis}; only the channels, first or last, can be normalised")
    moved = axis == ndim - 1 and ndim > 2
    name = call.draft.moved(x) if moved else call.draft.plain(x)
    groups = call.option("groups", 32)
    count = shape[axis - 1] if groups == -1 else groups
    gamma, beta = call.variables.get("gamma"), call.variables.get("beta")
    return Signal(
        call.emit(GroupNorm(call.name, (name,), count, gamma, beta, float(call.option("epsilon", 1e-3)))), moved
    )


def rescaling(call: Call, x: Signal) -> Signal:
    """`scale · x + offset`, one number or one for each channel."""
    return _affine(call, x, call.constant(call.option("scale", 1.0)), call.constant(call.option("offset", 0.0)))


def normalization(call: Call, x: Signal) -> Signal:
    """`(x - mean) / max(sqrt(variance), 1e-7)` with the statistics that `adapt` found or the caller gave."""
    if call.option("invert", False):
        raise Refused("an inverted Normalization is not supported; use Rescaling")
    given = "mean" in call.options
    mean, variance = (
        torch.as_tensor(call.option(key) if given else call.variables[key], dtype=torch.float64)
        for key in ("mean", "variance")
    )
    shape = _aligned(mean, call.option("axis", ()), call.shape(x))
    deviation = variance.sqrt().clamp(min=_SMALLEST_DEVIATION)
    return _affine(call, x, (1 / deviation).reshape(shape), (-mean / deviation).reshape(shape))


def _aligned(values: Tensor, axis: int | Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, batch included, in which statistics over some axes broadcast."""
    ndim = len(shape) + 1
    kept = sorted(a % ndim for a in ([axis] if isinstance(axis, int) else axis))
    if 0 in kept:
        raise Refused("normalises along axis 0, the batch; samples must not be mixed")
    aligned = [1] * ndim
    for size, dim in zip(reversed(values.shape), reversed(kept), strict=False):
        aligned[dim] = size
    return tuple(aligned)


def _affine(call: Call, x: Signal, scale: Tensor, shift: Tensor) -> Signal:
    node = ElementwiseAffine(call.name, (call.draft.plain(x),), call.constant(scale), call.constant(shift))
    return Signal(call.emit(node))


NORMALIZING: dict[str, Translator] = {
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "GroupNormalization": group_normalization,
    "Rescaling": rescaling,
    "Normalization": normalization,
}
