"""Functions of each element."""

from __future__ import annotations

import math

import torch

from respike.frontends.onnx.call import Operand, Operator, Refused, Signal, Translator, signal, weights
from respike.frontends.semantics import activations as torch_activations
from respike.ir import ELU, GELU, Activation, ElementwiseAffine, Function, Hardswish, ReLU, Sigmoid, SiLU, Tanh


def activation(op: Operator, x: Operand, function: Function) -> Signal:
    """A function of each element."""
    return op.emit(Activation(op.name, (signal(x).name,), function))


def clip(op: Operator, x: Operand, low: Operand | None = None, high: Operand | None = None) -> Signal:
    """`min(max(low, x), high)`; before opset 11 the bounds are attributes."""
    lower = op.real("min", -math.inf) if low is None else low
    upper = op.real("max", math.inf) if high is None else high
    return op.by(torch_activations.clamp, x, lower, upper)


def maximum(op: Operator, *parts: Operand) -> Signal:
    """The larger of a signal and a number."""
    return op.by(torch_activations.maximum, *_two(parts))


def minimum(op: Operator, *parts: Operand) -> Signal:
    """The smaller of a signal and a number."""
    return op.by(torch_activations.minimum, *_two(parts))


def _two(parts: tuple[Operand, ...]) -> tuple[Operand, Operand]:
    if len(parts) != 2:
        raise Refused(f"compares {len(parts)} inputs; two are read")
    return parts[0], parts[1]


def leaky_relu(op: Operator, x: Operand) -> Signal:
    """`x` where positive, else `alpha · x`."""
    return op.by(torch_activations.leaky_relu, x, op.real("alpha", 0.01))


def prelu(op: Operator, x: Operand, slope: Operand) -> Signal:
    """`x` where positive, else `slope · x`, with a slope for each channel."""
    source, slopes = signal(x), weights(slope)
    if slopes.ndim == source.ndim and slopes.shape[0] == 1:
        slopes = slopes[0]
    if slopes.numel() not in (1, slopes.shape[0] if slopes.ndim == source.ndim - 1 else 1):
        raise Refused(f"its slopes {list(slopes.shape)} are not one for each channel")
    return op.by(torch_activations.prelu, source, slopes.reshape(-1))


def hard_sigmoid(op: Operator, x: Operand) -> Signal:
    """`min(max(0, alpha · x + beta), 1)`, a clipped ReLU behind an affine map."""
    scale, shift = (torch.tensor(op.real(*given), dtype=op.dtype) for given in (("alpha", 0.2), ("beta", 0.5)))
    moved = op.emit(ElementwiseAffine(f"{op.name}.shift", (signal(x).name,), scale, shift))
    return activation(op, moved, ReLU(1.0))


def selu(op: Operator, x: Operand) -> Signal:
    """`gamma · x` where positive, else `gamma · alpha · (exp(x) - 1)`."""
    alpha, gamma = op.real("alpha", 1.6732632423543772), op.real("gamma", 1.0507009873554805)
    return op.by(torch_activations.elu, x, alpha, gamma)


def gelu(op: Operator, x: Operand) -> Signal:
    """`x · Φ(x)`."""
    return activation(op, x, GELU(approximate=op.text("approximate", "none") == "tanh"))


def swish(op: Operator, x: Operand) -> Signal:
    """`x · sigmoid(x)`."""
    if op.real("alpha", 1.0) != 1:
        raise Refused("scales the argument of its sigmoid; only alpha = 1 is read")
    return activation(op, x, SiLU())


ACTIVATIONS: dict[str, Translator] = {
    "Relu": lambda op, x: activation(op, x, ReLU()),
    "Sigmoid": lambda op, x: activation(op, x, Sigmoid()),
    "Tanh": lambda op, x: activation(op, x, Tanh()),
    "HardSwish": lambda op, x: activation(op, x, Hardswish()),
    "Elu": lambda op, x: activation(op, x, ELU(op.real("alpha", 1.0))),
    "Gelu": gelu,
    "Swish": swish,
    "Clip": clip,
    "Max": maximum,
    "Min": minimum,
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "Selu": selu,
    "Celu": lambda op, x: op.by(torch_activations.celu, x, op.real("alpha", 1.0)),
    "Abs": lambda op, x: op.by(torch_activations.absolute, x),
    "HardSigmoid": hard_sigmoid,
}
