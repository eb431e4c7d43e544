"""Every spelling of ReLU, and the bounds that can be written as a shifted one."""

from __future__ import annotations

import math

import torch

from respike.frontends.operators.call import Call, Operand, Refused, Translator, number, signal
from respike.ir import Activation, ElementwiseAffine, ReLU


def relu(call: Call, x: Operand) -> str:
    """`max(0, x)`."""
    return call.emit(Activation(call.name, (signal(x).name,), ReLU()))


def relu6(call: Call, x: Operand) -> str:
    """`min(max(0, x), 6)`."""
    return clamp(call, x, 0.0, 6.0)


def clamp(call: Call, x: Operand, low: Operand | None = None, high: Operand | None = None) -> str:
    """`min(max(low, x), high)`, as a ReLU with a ceiling between two exact shifts."""
    lower = -math.inf if low is None else number(low)
    upper = math.inf if high is None else number(high)
    name = signal(x).name
    if math.isnan(lower) or math.isnan(upper) or lower >= upper or (lower, upper) == (-math.inf, math.inf):
        raise Refused(f"its bounds [{lower}, {upper}] leave no room between them")
    if lower == 0:
        return call.emit(Activation(call.name, (name,), ReLU(upper)))
    # Without a lower bound, min(x, c) = c - max(0, c - x).
    sign, origin = (1.0, lower) if lower > -math.inf else (-1.0, upper)
    scale = call.constant(sign)
    name = call.emit(ElementwiseAffine(f"{call.name}.shift", (name,), scale, call.constant(-sign * origin)))
    ceiling = upper - lower if sign > 0 else math.inf
    name = call.emit(Activation(call.name, (name,), ReLU(ceiling)))
    return call.emit(ElementwiseAffine(f"{call.name}.unshift", (name,), scale, call.constant(origin)))


def hardtanh(call: Call, x: Operand, low: float = -1.0, high: float = 1.0) -> str:
    """`min(max(low, x), high)`."""
    return clamp(call, x, low, high)


def clamp_max(call: Call, x: Operand, high: Operand) -> str:
    """`min(x, high)`."""
    return clamp(call, x, None, high)


def maximum(call: Call, x: Operand, y: Operand) -> str:
    """The larger of a signal and a number, in either order."""
    return clamp(call, *_signal_first(x, y))


def minimum(call: Call, x: Operand, y: Operand) -> str:
    """The smaller of a signal and a number, in either order."""
    return clamp_max(call, *_signal_first(x, y))


def _signal_first(x: Operand, y: Operand) -> tuple[Operand, Operand]:
    try:
        return y, number(x)
    except Refused:
        return x, number(y)


def threshold(call: Call, x: Operand, limit: float, value: float) -> str:
    """`x` above `limit`, else `value`; continuous only where both are equal."""
    if limit != value:
        raise Refused("a threshold that jumps; use threshold = value, which is a shifted ReLU")
    return clamp(call, x, limit)


def leaky_relu(call: Call, x: Operand, slope: float = 0.01) -> str:
    """`max(0, x)` where the slope below zero is zero."""
    if slope != 0:
        raise Refused("negative values pass it and spikes are not negative; replace it by ReLU and fine-tune")
    return relu(call, x)


aten = torch.ops.aten
ACTIVATIONS: dict[object, Translator] = {
    aten.relu: relu,
    aten.relu6: relu6,
    aten.clamp: clamp,
    aten.clamp_min: clamp,
    aten.clamp_max: clamp_max,
    aten.clip: clamp,
    aten.hardtanh: hardtanh,
    aten.maximum: maximum,
    aten.minimum: minimum,
    aten.max.other: maximum,
    aten.min.other: minimum,
    aten.threshold: threshold,
    aten.leaky_relu: leaky_relu,
}
