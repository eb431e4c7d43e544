"""Functions of each element: activations, and what is exactly a few ReLUs between affine maps."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from respike.frontends.semantics.arithmetic import affine, mul, sub
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, alike, anywhere, number
from respike.ir import ELU, GELU, Activation, Add, Function, ReLU, Sigmoid, Slice


def activation(call: Call, x: Operand, function: Function, part: str = "") -> str:
    """An activation of the call's name or, with `part`, of a part of it."""
    name = f"{call.name}.{part}" if part else call.name
    return call.emit(Activation(name, (anywhere(x).name,), function))


def of(function: Function) -> Callable[[Call, Operand], str]:
    """The translator of a function without options."""
    return lambda call, x: activation(call, x, function)


def clamp(call: Call, x: Operand, low: Operand | None = None, high: Operand | None = None) -> str:
    """`min(max(low, x), high)`, as a ReLU with a ceiling between two exact shifts."""
    lower = -math.inf if low is None else number(low)
    upper = math.inf if high is None else number(high)
    source = anywhere(x)
    if math.isnan(lower) or math.isnan(upper) or lower >= upper or (lower, upper) == (-math.inf, math.inf):
        raise Refused(f"its bounds [{lower}, {upper}] leave no room between them")
    if lower == 0:
        return activation(call, source, ReLU(upper))
    # Without a lower bound, min(x, c) = c - max(0, c - x).
    sign, origin = (1.0, lower) if lower > -math.inf else (-1.0, upper)
    shifted = _part(call, source, sign, -sign * origin, "shift")
    ceiling = upper - lower if sign > 0 else math.inf
    clipped = Signal(activation(call, shifted, ReLU(ceiling)), source.layout)
    return affine(call, clipped, sign, origin, "unshift")


def hardtanh(call: Call, x: Operand, low: float = -1.0, high: float = 1.0) -> str:
    """`min(max(low, x), high)`."""
    return clamp(call, x, low, high)


def clamp_max(call: Call, x: Operand, high: Operand) -> str:
    """`min(x, high)`."""
    return clamp(call, x, None, high)


def maximum(call: Call, x: Operand, y: Operand) -> str:
    """The larger of two: `x + max(0, y - x)`, or a clamp where one is a number."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        return _choice(call, x, y, larger=True)
    return clamp(call, *_signal_first(x, y))


def minimum(call: Call, x: Operand, y: Operand) -> str:
    """The smaller of two: `x - max(0, x - y)`, or a clamp where one is a number."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        return _choice(call, x, y, larger=False)
    return clamp_max(call, *_signal_first(x, y))


def threshold(call: Call, x: Operand, limit: float, value: float) -> str:
    """`x` above `limit`, else `value`; continuous only where both are equal."""
    if limit != value:
        raise Refused("a threshold that jumps; use threshold = value, which is a shifted ReLU")
    return clamp(call, x, limit)


def leaky_relu(call: Call, x: Operand, slope: float = 0.01) -> str:
    """`max(0, x) - slope · max(0, -x)`."""
    return activation(call, x, ReLU()) if slope == 0 else _leaky(call, anywhere(x), slope)


def rrelu(call: Call, x: Operand, low: float = 1 / 8, high: float = 1 / 3, *_: object) -> str:
    """In evaluation a leaky ReLU with the slope in the middle."""
    return leaky_relu(call, x, (low + high) / 2)


def prelu(call: Call, x: Operand, slope: Operand) -> str:
    """`max(0, x) - slope · max(0, -x)` with a slope for each channel."""
    source = anywhere(x)
    if isinstance(slope, torch.Tensor) and slope.numel() > 1:
        if not source.layout.is_plain:
            raise Refused("slopes for each channel need the channels in dimension 1")
        slope = slope.reshape(-1, *(1,) * (source.ndim - 2))
    return _leaky(call, source, slope)


def absolute(call: Call, x: Operand) -> str:
    """`max(0, x) + max(0, -x)`."""
    return _leaky(call, anywhere(x), -1.0)


def hardsigmoid(call: Call, x: Operand) -> str:
    """`min(max(0, x / 6 + 1 / 2), 1)`."""
    source = anywhere(x)
    return activation(call, _part(call, source, 1 / 6, 0.5, "shift"), ReLU(1.0))


def gelu(call: Call, x: Operand, approximate: str = "none") -> str:
    """`x · Φ(x)`."""
    return activation(call, x, GELU(approximate == "tanh"))


def elu(call: Call, x: Operand, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> str:
    """`scale · x` where positive, else `scale · alpha · (exp(input_scale · x) - 1)`; an ELU between two scales."""
    source = anywhere(x)
    if input_scale != 1:
        source = _part(call, source, input_scale, 0.0, "shift")
    inner = Signal(activation(call, source, ELU(alpha * input_scale)), source.layout)
    factor = scale / input_scale
    return inner.name if factor == 1 else affine(call, inner, factor, 0.0, "unshift")


def selu(call: Call, x: Operand) -> str:
    """An ELU with two fixed constants (Klambauer et al. 2017)."""
    return elu(call, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def celu(call: Call, x: Operand, alpha: float = 1.0) -> str:
    """`x` where positive, else `alpha · (exp(x / alpha) - 1)`."""
    return elu(call, x, alpha, 1.0, 1.0 / alpha)


def glu(call: Call, x: Operand, dim: int = -1) -> str:
    """The first half along a dimension times the sigmoid of the second, which is analog."""
    source = anywhere(x)
    axis, half = source.layout.axis(dim), source.layout.size(dim) // 2
    first, second = (
        call.emit(Slice(f"{call.name}.{part}", (source.name,), axis, start, start + half))
        for part, start in (("value", 0), ("gate", half))
    )
    gate = activation(call, Signal(second, call.layout), Sigmoid(), "sigmoid")
    return mul(call, Signal(first, call.layout), Signal(gate, call.layout))


def _leaky(call: Call, x: Signal, slope: Operand) -> str:
    positive = activation(call, x, ReLU())
    negative = Signal(activation(call, _part(call, x, -1.0, 0.0, "negated"), ReLU(), "negative"), x.layout)
    scaled = affine(call, negative, -slope, 0.0, "slope")  # type: ignore[operator]
    return call.emit(Add(f"{call.name}.sum", (positive, scaled)))


def _choice(call: Call, x: Operand, y: Operand, *, larger: bool) -> str:
    first, second = alike((x, y))
    parts = (second, first) if larger else (first, second)
    difference = Signal(sub(call, *parts), call.layout)
    excess = Signal(activation(call, difference, ReLU(), "relu"), call.layout)
    signed = excess.name if larger else affine(call, excess, -1.0, 0.0, "negated")
    return call.emit(Add(f"{call.name}.sum", (first.name, signed)))


def _part(call: Call, x: Signal, scale: float, shift: float, part: str) -> Signal:
    return Signal(affine(call, x, scale, shift, part), x.layout)


def _signal_first(x: Operand, y: Operand) -> tuple[Operand, Operand]:
    return (x, number(y)) if isinstance(x, Signal) else (y, number(x))
