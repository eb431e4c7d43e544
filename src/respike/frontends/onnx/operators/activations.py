"""Functions of each element."""

from __future__ import annotations

import math

from torch import Tensor

from respike.frontends.onnx.call import Operator
from respike.frontends.onnx.constants import along_axis, quantised_range
from respike.frontends.semantics import Refused, Signal, activations
from respike.frontends.semantics.call import Operand, Translator, anywhere, weights
from respike.frontends.semantics.meaning import means
from respike.ir import Erf, Hardswish, Mish, ReLU, Sigmoid, Tanh


@means(activations.clamp)
def clip(op: Operator, x: Operand, low: Operand | None = None, high: Operand | None = None) -> Signal:
    """`min(max(low, x), high)`; before opset 11 the bounds are attributes."""
    lower = op.real("min", -math.inf) if low is None else low
    upper = op.real("max", math.inf) if high is None else high
    return activations.clamp(op, x, lower, upper)


@means(activations.prelu)
def prelu(op: Operator, x: Operand, slope: Operand) -> Signal:
    """`x` where positive, else `slope · x`, with slopes that broadcast against `x`."""
    return activations.prelu(op, x, weights(slope))


@means(activations.threshold)
def thresholded_relu(op: Operator, x: Operand) -> Signal:
    """`x` above `alpha`, else 0."""
    return activations.threshold(op, x, op.real("alpha", 1.0), 0.0)


@means(activations.shrink)
def shrink(op: Operator, x: Operand) -> Signal:
    """Soft shrinkage; it jumps unless both numbers are equal."""
    limit, bias = op.real("lambd", 0.5), op.real("bias", 0.0)
    if limit != bias:
        raise Refused("jumps, since lambd and bias differ; make them equal, or use Relu")
    return activations.shrink(op, x, limit)


@means(activations.hardsigmoid)
def hard_sigmoid(op: Operator, x: Operand) -> Signal:
    """`min(max(0, alpha · x + beta), 1)`."""
    return activations.hardsigmoid(op, x, op.real("alpha", 0.2), op.real("beta", 0.5))


@means(activations.selu)
def selu(op: Operator, x: Operand) -> Signal:
    """`gamma · x` where positive, else `gamma · alpha · (exp(x) - 1)`."""
    alpha, scale = op.real("alpha", activations.SELU_ALPHA), op.real("gamma", activations.SELU_SCALE)
    return activations.selu(op, x, alpha, scale)


@means(activations.quantised)
def quantize_linear(op: Operator, x: Operand, scale: Operand, zero: Operand = 0.0) -> Signal:
    """Whole numbers of real ones; their range is that of the zero point's type."""
    low, high = quantised_range(op)
    return activations.quantised(op, x, _along(op, scale, x), _along(op, zero, x), low, high)


@means(activations.dequantised)
def dequantize_linear(op: Operator, x: Operand, scale: Operand, zero: Operand = 0.0) -> Signal:
    """Real numbers of whole ones."""
    return activations.dequantised(op, x, _along(op, scale, x), _along(op, zero, x))


def _along(op: Operator, value: Operand, x: Operand) -> Tensor:
    if isinstance(value, Signal):
        raise Refused("quantises by a scale that depends on the data; use static quantisation")
    return along_axis(op, op.constant(value), anywhere(x).ndim)


ACTIVATIONS: dict[str, Translator] = {
    "Relu": activations.of(ReLU()),
    "Sigmoid": activations.of(Sigmoid()),
    "Tanh": activations.of(Tanh()),
    "Erf": activations.of(Erf()),
    "Softplus": activations.softplus,
    "Mish": activations.of(Mish()),
    "HardSwish": activations.of(Hardswish()),
    "Elu": means(activations.elu)(lambda op, x: activations.elu(op, x, op.real("alpha", 1.0))),
    "Gelu": means(activations.gelu)(lambda op, x: activations.gelu(op, x, op.text("approximate", "none"))),
    "Swish": means(activations.silu)(lambda op, x: activations.silu(op, x, op.real("alpha", 1.0))),
    "Clip": clip,
    "Max": activations.maximum,
    "Min": activations.minimum,
    "LeakyRelu": means(activations.leaky_relu)(lambda op, x: activations.leaky_relu(op, x, op.real("alpha", 0.01))),
    "PRelu": prelu,
    "Selu": selu,
    "Celu": means(activations.celu)(lambda op, x: activations.celu(op, x, op.real("alpha", 1.0))),
    "Abs": activations.absolute,
    "HardSigmoid": hard_sigmoid,
    "ThresholdedRelu": thresholded_relu,
    "Shrink": shrink,
    "Floor": activations.floor,
    "Ceil": activations.ceil,
    "Round": activations.round_,
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
}
