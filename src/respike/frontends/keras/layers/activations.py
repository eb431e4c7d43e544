"""Activations, as layers and by their names."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from respike.frontends.keras.call import Call, Signal, Translator
from respike.frontends.semantics import Refused
from respike.ir import (
    ELU,
    GELU,
    Activation,
    Add,
    ElementwiseAffine,
    Function,
    Hardswish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)

_SELU = (1.6732632423543772, 1.0507009873554805)  # Klambauer 2017's alpha and scale


def activate(call: Call, x: Signal) -> Signal:
    """The `activation` that a layer was told, named after the layer and the function."""
    name = call.option("activation", "linear")
    if not isinstance(name, str):
        raise Refused("its activation is no name of a Keras function")
    return x if name == "linear" else named(call.inner(name), x, name)


def named(call: Call, x: Signal, name: str) -> Signal:
    """The Keras activation of that name."""
    if name not in _NAMED:
        raise Refused(f"the activation {name!r} is not supported; replace it by ReLU and fine-tune")
    return _NAMED[name](call, x)


def activation(call: Call, x: Signal) -> Signal:
    """The layer `Activation`."""
    name = call.option("activation", "linear")
    if not isinstance(name, str):
        raise Refused("its activation is no name of a Keras function")
    return x if name == "linear" else named(call, x, name)


def relu(call: Call, x: Signal) -> Signal:
    """`min(max(0, x), max_value)`, and `negative_slope · x` below zero."""
    if call.option("threshold", 0.0) != 0:
        raise Refused("a ReLU whose threshold is not 0 jumps there; set threshold=0 and fine-tune")
    return _leaky(call, x, call.constant(call.option("negative_slope", 0.0)), call.option("max_value", math.inf))


def leaky_relu(call: Call, x: Signal) -> Signal:
    """`x` where positive, else `negative_slope · x`."""
    return _leaky(call, x, call.constant(call.option("negative_slope", 0.3)))


def prelu(call: Call, x: Signal) -> Signal:
    """`x` where positive, else `alpha · x`; alpha has the shape of a sample, 1 along shared axes."""
    alpha = call.variables["alpha"]
    if x.moved:
        alpha = alpha.permute(-1, *range(alpha.ndim - 1)).contiguous()
    return _leaky(call, x, alpha)


def _leaky(call: Call, x: Signal, slope: Tensor, ceiling: float = math.inf) -> Signal:
    """`relu(x) - slope · relu(-x)`, which is exact."""
    positive = call.emit(Activation(call.name, (x.name,), ReLU(float(ceiling))))
    if not bool(slope.any()):
        return Signal(positive, x.moved)
    zero = call.constant(0.0)
    turned = call.emit(ElementwiseAffine(f"{call.name}.negate", (x.name,), call.constant(-1.0), zero))
    negative = call.emit(Activation(f"{call.name}.negative", (turned,), ReLU()))
    scaled = call.emit(ElementwiseAffine(f"{call.name}.slope", (negative,), -slope, zero))
    return Signal(call.emit(Add(f"{call.name}.add", (positive, scaled))), x.moved)


def elu(call: Call, x: Signal) -> Signal:
    """`x` where positive, else `alpha · (exp(x) - 1)`."""
    return _function(ELU(float(call.option("alpha", 1.0))))(call, x)


def softmax_layer(call: Call, x: Signal) -> Signal:
    """`exp(x) / Σ exp(x)` along an axis."""
    axis = call.option("axis", -1)
    if not isinstance(axis, int):
        raise Refused("a softmax over several axes is not supported")
    return _softmax(call, x, axis)


def _softmax(call: Call, x: Signal, axis: int = -1) -> Signal:
    plain = Signal(call.draft.plain(x))
    return Signal(call.emit(Softmax(call.name, (plain.name,), call.dim(plain, axis))))


def _function(function: Function) -> Translator:
    def translate(call: Call, x: Signal) -> Signal:
        return Signal(call.emit(Activation(call.name, (x.name,), function)), x.moved)

    return translate


def _hard_sigmoid(call: Call, x: Signal) -> Signal:
    """`min(max(0, x / 6 + 1 / 2), 1)`; Keras 2 had another slope."""
    affine = ElementwiseAffine(f"{call.name}.scale", (x.name,), call.constant(1 / 6), call.constant(0.5))
    return Signal(call.emit(Activation(call.name, (call.emit(affine),), ReLU(1.0))), x.moved)


def _selu(call: Call, x: Signal) -> Signal:
    """`scale · ELU(x)`."""
    inner = call.emit(Activation(call.name, (x.name,), ELU(_SELU[0])))
    scaled = ElementwiseAffine(f"{call.name}.scale", (inner,), call.constant(_SELU[1]), call.constant(0.0))
    return Signal(call.emit(scaled), x.moved)


_NAMED: dict[str, Callable[[Call, Signal], Signal]] = {
    "relu": _function(ReLU()),
    "relu6": _function(ReLU(6.0)),
    "leaky_relu": lambda call, x: _leaky(call, x, call.constant(0.2)),
    "sigmoid": _function(Sigmoid()),
    "tanh": _function(Tanh()),
    "silu": _function(SiLU()),
    "swish": _function(SiLU()),
    "gelu": _function(GELU()),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _function(Hardswish()),
    "hard_swish": _function(Hardswish()),
    "elu": _function(ELU()),
    "selu": _selu,
    "softmax": _softmax,
}

ACTIVATIONS: dict[str, Translator] = {
    "Activation": activation,
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "PReLU": prelu,
    "ELU": elu,
    "Softmax": softmax_layer,
}
