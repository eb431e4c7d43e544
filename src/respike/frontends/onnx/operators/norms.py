"""Normalisations by the statistics of each sample, and softmax: the analog operators."""

from __future__ import annotations

import math

from respike.frontends.onnx.call import Operand, Operator, Refused, Signal, Translator, dimension, signal, weights
from respike.ir import GroupNorm, LayerNorm, Softmax


def softmax(op: Operator, x: Operand) -> Signal:
    """`exp(x) / Σ exp(x)` along an axis; before opset 13 over all dimensions from there on."""
    source = signal(x)
    dim = dimension(op.integer("axis", 1 if op.opset < 13 else -1), source)
    if op.opset < 13 and math.prod(source.shape[dim:]) != 1:
        raise Refused("works over several dimensions at once (opset 12); flatten its input first")
    return op.emit(Softmax(op.name, (source.name,), dim))


def layer_norm(op: Operator, x: Operand, scale: Operand, bias: Operand | None = None) -> Signal:
    """Layer normalisation over the dimensions from `axis` on; the other results serve training only."""
    source = signal(x)
    shape = source.shape[dimension(op.integer("axis", -1), source) - 1 :]
    gain = weights(scale).expand(shape).contiguous()
    shift = None if bias is None else weights(bias).expand(shape).contiguous()
    return op.emit(LayerNorm(op.name, (source.name,), shape, gain, shift, op.real("epsilon", 1e-5)))


def instance_norm(op: Operator, x: Operand, scale: Operand, bias: Operand) -> Signal:
    """Every channel of every sample normalised by itself."""
    source, gain, shift = signal(x), weights(scale), weights(bias)
    return op.emit(GroupNorm(op.name, (source.name,), source.shape[0], gain, shift, op.real("epsilon", 1e-5)))


def group_norm(op: Operator, x: Operand, scale: Operand, bias: Operand) -> Signal:
    """Groups of channels normalised together, with a scale and a bias for each channel."""
    groups, gain, shift = op.integer("num_groups", 1), weights(scale), weights(bias)
    return op.emit(GroupNorm(op.name, (signal(x).name,), groups, gain, shift, op.real("epsilon", 1e-5)))


NORMS: dict[str, Translator] = {
    "Softmax": softmax,
    "LayerNormalization": layer_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
}
