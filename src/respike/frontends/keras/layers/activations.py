"""Activations, as layers and by their names."""

from __future__ import annotations

import math

from respike.frontends.keras.call import LayerCall
from respike.frontends.semantics import Refused, Signal, Translator, activations, products
from respike.frontends.semantics.meaning import means
from respike.ir import Hardswish, Mish, ReLU, Sigmoid, Tanh


def activate(call: LayerCall, x: Signal) -> Signal:
    """The `activation` that a layer was told, named after the layer and the function."""
    name = activation_name(call)
    return x if name == "linear" else named(call.inner(name), x, name)


def activation(call: LayerCall, x: Signal) -> Signal:
    """The layer `Activation`."""
    name = activation_name(call)
    return x if name == "linear" else named(call, x, name)


def activation_name(call: LayerCall, key: str = "activation", default: str = "linear") -> str:
    """The name of a function that a layer was told."""
    name = call.option(key, default)
    if not isinstance(name, str):
        raise Refused("its activation is no name of a Keras function")
    return name


def named(call: LayerCall, x: Signal, name: str) -> Signal:
    """The Keras activation of that name."""
    if name not in NAMED:
        raise Refused(f"the activation {name!r} is not supported; replace it by ReLU and fine-tune")
    result = NAMED[name](call, x)
    assert isinstance(result, Signal)
    return result


@means(activations.leaky_relu)
def relu(call: LayerCall, x: Signal) -> Signal:
    """`min(max(0, x), max_value)`, and `negative_slope · x` below zero."""
    if call.option("threshold", 0.0) != 0:
        raise Refused("a ReLU whose threshold is not 0 jumps there; set threshold=0 and fine-tune")
    return activations.leaky_relu(call, x, call.option("negative_slope", 0.0), call.option("max_value", math.inf))


@means(activations.leaky_relu)
def leaky_relu(call: LayerCall, x: Signal) -> Signal:
    """`x` where positive, else `negative_slope · x`."""
    return activations.leaky_relu(call, x, call.option("negative_slope", 0.3))


@means(activations.prelu)
def prelu(call: LayerCall, x: Signal) -> Signal:
    """`x` where positive, else `alpha · x`; alpha has the shape of a sample, 1 along shared axes."""
    return activations.prelu(call, x, call.variables["alpha"])


@means(activations.elu)
def elu(call: LayerCall, x: Signal) -> Signal:
    """`x` where positive, else `alpha · (exp(x) - 1)`."""
    return activations.elu(call, x, float(call.option("alpha", 1.0)))


@means(products.softmax)
def softmax_layer(call: LayerCall, x: Signal) -> Signal:
    """`exp(x) / Σ exp(x)` along an axis."""
    axis = call.option("axis", -1)
    if not isinstance(axis, int):
        raise Refused("a softmax over several axes is not supported; flatten them first")
    return products.softmax(call, x, axis)


NAMED: dict[str, Translator] = {
    "relu": activations.of(ReLU()),
    "relu6": activations.of(ReLU(6.0)),
    "leaky_relu": means(activations.leaky_relu)(lambda call, x: activations.leaky_relu(call, x, 0.2)),
    "sigmoid": activations.of(Sigmoid()),
    "tanh": activations.of(Tanh()),
    "softplus": activations.softplus,
    "log_sigmoid": activations.log_sigmoid,
    "mish": activations.of(Mish()),
    **dict.fromkeys(("silu", "swish"), activations.silu),
    "gelu": activations.gelu,
    "hard_sigmoid": activations.hardsigmoid,
    **dict.fromkeys(("hard_silu", "hard_swish"), activations.of(Hardswish())),
    "hard_tanh": activations.hardtanh,
    "soft_shrink": activations.shrink,
    "elu": activations.elu,
    "selu": activations.selu,
    "celu": activations.celu,
    "glu": activations.glu,
    "log_softmax": means(products.log_softmax)(lambda call, x: products.log_softmax(call, x, -1)),
    "softmax": means(products.softmax)(lambda call, x: products.softmax(call, x, -1)),
}

ACTIVATIONS: dict[str, Translator] = {
    "Activation": activation,
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "PReLU": prelu,
    "ELU": elu,
    "Softmax": softmax_layer,
}
