"""Activations."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.frontends.semantics import activations
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, Translator, anywhere
from respike.frontends.semantics.meaning import means
from respike.ir import Erf, Hardswish, Mish, ReLU, Sigmoid, Tanh


@means(activations.rrelu)
def rrelu(
    call: Call, x: Operand, low: float = 1 / 8, high: float = 1 / 3, training: bool = False, *_: object
) -> Signal:
    """Randomised leaky ReLU, which is random in training only."""
    if training:
        raise Refused("is random: it runs as in training; pass training=self.training, or use nn.RReLU")
    return activations.rrelu(call, x, low, high)


@means(activations.prelu)
def prelu(call: Call, x: Operand, slope: Operand) -> Signal:
    """Slopes of the channels, dimension 1."""
    source = anywhere(x)
    if isinstance(slope, Tensor) and slope.numel() > 1:
        if not source.layout.is_plain:
            raise Refused("slopes for each channel need the channels in dimension 1")
        slope = slope.reshape(-1, *(1,) * (source.ndim - 2))
    return activations.prelu(call, source, slope)


@means(activations.round_)
def round_(call: Call, x: Operand, *, decimals: int = 0) -> Signal:
    """Rounding to so many places."""
    return activations.round_(call, x, decimals)


aten = torch.ops.aten

ACTIVATIONS: dict[object, Translator] = {
    aten.relu: activations.of(ReLU()),
    aten.relu6: activations.of(ReLU(6.0)),
    aten.sigmoid: activations.of(Sigmoid()),
    aten.tanh: activations.of(Tanh()),
    aten.silu: activations.silu,
    aten.erf: activations.of(Erf()),
    aten.softplus: activations.softplus,
    aten.log_sigmoid: activations.log_sigmoid,
    aten.mish: activations.of(Mish()),
    aten.hardswish: activations.of(Hardswish()),
    aten.hardsigmoid: activations.hardsigmoid,
    aten.gelu: activations.gelu,
    aten.elu: activations.elu,
    aten.selu: activations.selu,
    aten.celu: activations.celu,
    aten.glu: activations.glu,
    **dict.fromkeys((aten.clamp, aten.clamp_min, aten.clip), activations.clamp),
    aten.clamp_max: activations.clamp_max,
    aten.hardtanh: activations.hardtanh,
    aten.maximum: activations.maximum,
    aten.minimum: activations.minimum,
    aten.threshold: activations.threshold,
    aten.leaky_relu: activations.leaky_relu,
    aten.rrelu: rrelu,
    **dict.fromkeys((aten.prelu, aten._prelu_kernel), prelu),
    aten.abs: activations.absolute,
    aten.softshrink: activations.shrink,
    aten.floor: activations.floor,
    aten.ceil: activations.ceil,
    aten.round: round_,
}
