"""Normalisations and rescalings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from respike.frontends.keras.call import LayerCall, numbers, shape_of
from respike.frontends.semantics import Refused, Signal, Translator, arithmetic, layers
from respike.frontends.semantics.meaning import means

_SMALLEST_DEVIATION = 1e-7  # keras.config.epsilon(), by which Normalization bounds the deviation from below


@means(layers.batch_norm)
def batch_normalization(call: LayerCall, x: Signal) -> Signal:
    """Batch normalisation with its moving statistics, along the last axis or the first behind the batch."""
    if call.option("renorm", False):
        raise Refused("batch renormalisation is not supported; use BatchNormalization(renorm=False)")
    v = call.variables
    mean, variance, epsilon = v["moving_mean"], v["moving_variance"], float(call.option("epsilon", 1e-3))
    return layers.batch_norm(call, call.normalized_axis(x), mean, variance, v.get("gamma"), v.get("beta"), epsilon)


@means(layers.layer_norm)
def layer_normalization(call: LayerCall, x: Signal) -> Signal:
    """Normalisation of each sample over its last axes."""
    if call.option("rms_scaling", False):
        raise Refused("root-mean-square scaling is not supported; use rms_scaling=False")
    gamma, beta = call.variables.get("gamma"), call.variables.get("beta")
    epsilon = float(call.option("epsilon", 1e-3))
    return layers.layer_norm(call, call.plain(x), _last_axes(call, x), gamma, beta, epsilon)


@means(layers.rms_norm)
def rms_normalization(call: LayerCall, x: Signal) -> Signal:
    """Each sample's last axis, or its last ones, divided by their root mean square."""
    scale = call.variables.get("scale")
    return layers.rms_norm(call, call.plain(x), _last_axes(call, x), scale, float(call.option("epsilon", 1e-6)))


def _last_axes(call: LayerCall, x: Signal) -> tuple[int, ...]:
    """The sizes of the axes that are normalised."""
    axis = call.option("axis", -1)
    axes = sorted(a % x.ndim for a in ([axis] if isinstance(axis, int) else axis))
    if axes != list(range(axes[0], x.ndim)) or not axes[0]:
        raise Refused(f"normalises along the axes {axes}; only the last ones can be normalised")
    return shape_of(x)[axes[0] - 1 :]


@means(layers.group_norm)
def group_normalization(call: LayerCall, x: Signal) -> Signal:
    """Normalisation of each sample over groups of channels."""
    source = call.normalized_axis(x)
    groups = call.option("groups", 32)
    count = source.shape[0] if groups == -1 else groups
    gamma, beta = call.variables.get("gamma"), call.variables.get("beta")
    return layers.group_norm(call, source, count, gamma, beta, float(call.option("epsilon", 1e-3)))


@means(arithmetic.affine)
def rescaling(call: LayerCall, x: Signal) -> Signal:
    """`scale · x + offset`, one number or one for each channel."""
    return arithmetic.affine(
        call, x, numbers(call, call.option("scale", 1.0)), numbers(call, call.option("offset", 0.0))
    )


@means(arithmetic.affine)
def normalization(call: LayerCall, x: Signal) -> Signal:
    """`(x - mean) / max(sqrt(variance), 1e-7)` with the statistics that `adapt` found or the caller gave."""
    if call.option("invert", False):
        raise Refused("an inverted Normalization is not supported; use Rescaling")
    given = "mean" in call.options
    mean, variance = (
        torch.as_tensor(call.option(key) if given else call.variables[key], dtype=torch.float64)
        for key in ("mean", "variance")
    )
    shape = _aligned(mean, call.option("axis", ()), x.ndim)
    deviation = variance.sqrt().clamp(min=_SMALLEST_DEVIATION)
    return arithmetic.affine(call, x, (1 / deviation).reshape(shape), (-mean / deviation).reshape(shape))


def _aligned(values: Tensor, axis: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """The shape, batch included, in which statistics over some axes broadcast."""
    kept = sorted(a % ndim for a in ([axis] if isinstance(axis, int) else axis))
    if 0 in kept:
        raise Refused("normalises along axis 0, the batch; samples must not be mixed")
    aligned = [1] * ndim
    for size, dim in zip(reversed(values.shape), reversed(kept), strict=False):
        aligned[dim] = size
    return tuple(aligned)


NORMALIZING: dict[str, Translator] = {
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization,
    "GroupNormalization": group_normalization,
    "Rescaling": rescaling,
    "Normalization": normalization,
}
