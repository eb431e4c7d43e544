"""Functions of each element: activations, and what is exactly a few ReLUs between affine maps."""

from __future__ import annotations

import math
from collections.abc import Callable

from respike.frontends.semantics.arithmetic import affine, div, mul, negative, sub
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, alike, anywhere, is_number, number
from respike.frontends.semantics.meaning import means
from respike.ir import ELU, GELU, Activation, Add, Floor, Function, ReLU, Sigmoid, SiLU, Slice, Softplus

_LINEAR = 20.0
"""Where `beta · x` is larger, the softplus of PyTorch is `x`, which it differs from by less than numbers can tell."""
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""The constants of Klambauer et al. 2017."""


def activation(call: Call, x: Operand, function: Function, part: str = "") -> Signal:
    """An activation of the call's name or, with `part`, of a part of it."""
    source = anywhere(x)
    return call.like(source, Activation(call.part(part), (source.name,), function))


def of(function: Function) -> Callable[[Call, Operand], Signal]:
    """The meaning of a function without options."""
    return means(type(function))(lambda call, x: activation(call, x, function))


def clamp(call: Call, x: Operand, low: Operand | None = None, high: Operand | None = None) -> Signal:
    """`min(max(low, x), high)`, as a ReLU with a ceiling between two exact shifts."""
    source = anywhere(x)
    if not all(bound is None or is_number(bound) for bound in (low, high)):
        raised = source if low is None else _at_least(call, source, low)
        return raised if high is None else _at_most(call, raised, high)
    lower = -math.inf if low is None else number(low)
    upper = math.inf if high is None else number(high)
    if (lower, upper) == (-math.inf, math.inf):
        return source
    if not lower < upper:
        raise Refused(f"its bounds [{lower}, {upper}] leave no room between them; its result is a constant")
    if lower == 0:
        return activation(call, source, ReLU(upper))
    if lower == -math.inf:
        return _at_most(call, source, upper)
    if upper == math.inf:
        return _at_least(call, source, lower)
    shifted = affine(call, source, 1.0, -lower, "shift")
    return affine(call, activation(call, shifted, ReLU(upper - lower)), 1.0, lower, "unshift")


def _at_least(call: Call, x: Signal, low: Operand) -> Signal:
    """`max(x, low) = low + max(0, x - low)`."""
    excess = activation(call, affine(call, x, 1.0, -low, "shift"), ReLU())  # type: ignore[operator]
    return affine(call, excess, 1.0, low, "unshift")


def _at_most(call: Call, x: Signal, high: Operand) -> Signal:
    """`min(x, high) = high - max(0, high - x)`."""
    missing = activation(call, affine(call, x, -1.0, high, "shift"), ReLU())
    return affine(call, missing, -1.0, high, "unshift")


def clamp_max(call: Call, x: Operand, high: Operand) -> Signal:
    """`min(x, high)`."""
    return clamp(call, x, None, high)


def hardtanh(call: Call, x: Operand, low: float = -1.0, high: float = 1.0) -> Signal:
    """`min(max(low, x), high)`."""
    return clamp(call, x, low, high)


def floor(call: Call, x: Operand, part: str = "") -> Signal:
    """The largest whole number that is not above `x`; with bounds, an activation of few values."""
    return activation(call, x, Floor(), part)


def ceil(call: Call, x: Operand) -> Signal:
    """`-floor(-x)`."""
    return negative(call, floor(call, negative(call, x, "negated")), "unnegated")


def round_(call: Call, x: Operand, decimals: int = 0) -> Signal:
    """The nearest whole number, `floor(x + 1/2)`, exact halves up; with `decimals`, so many places behind the dot."""
    unit = 10.0**-decimals
    whole = floor(call, affine(call, anywhere(x), 1 / unit, 0.5, "half"))
    return whole if decimals == 0 else affine(call, whole, unit, 0.0, "unit")


def quantised(call: Call, x: Operand, scale: Operand, zero: Operand, low: float, high: float) -> Signal:
    """`clip(round(x / scale) + zero, low, high)`, whole numbers with a scale and a zero point."""
    whole = floor(call, affine(call, div(call, x, scale), 1.0, 0.5, "half"))
    return clamp(call, affine(call, whole, 1.0, zero, "zero"), low, high)


def dequantised(call: Call, x: Operand, scale: Operand, zero: Operand) -> Signal:
    """`(x - zero) · scale`, real numbers of whole ones."""
    return mul(call, affine(call, anywhere(x), 1.0, -zero, "zero"), scale)  # type: ignore[operator]


def maximum(call: Call, *parts: Operand) -> Signal:
    """The largest of several: `x + max(0, y - x)` for each further one, a clamp where one is a constant."""
    return _chosen(call, parts, larger=True)


def minimum(call: Call, *parts: Operand) -> Signal:
    """The smallest of several: `x - max(0, x - y)` for each further one, a clamp where one is a constant."""
    return _chosen(call, parts, larger=False)


def _chosen(call: Call, parts: tuple[Operand, ...], *, larger: bool) -> Signal:
    signals = [part for part in parts if isinstance(part, Signal)]
    chosen = anywhere(signals[0] if signals else parts[0])
    for other in signals[1:]:
        chosen = _larger(call, chosen, other) if larger else _smaller(call, chosen, other)
    for constant in (part for part in parts if not isinstance(part, Signal)):
        chosen = clamp(call, chosen, constant) if larger else clamp_max(call, chosen, constant)
    return chosen


def _larger(call: Call, x: Signal, y: Operand) -> Signal:
    first, second = alike((x, y))
    excess = activation(call, sub(call, second, first), ReLU(), "relu")
    return call.like(excess, Add(call.part("sum"), (first.name, excess.name)))


def _smaller(call: Call, x: Signal, y: Operand) -> Signal:
    first, second = alike((x, y))
    excess = activation(call, sub(call, first, second), ReLU(), "relu")
    negated = affine(call, excess, -1.0, 0.0, "negated")
    return call.like(excess, Add(call.part("sum"), (first.name, negated.name)))


def threshold(call: Call, x: Operand, limit: float, value: float) -> Signal:
    """`x` above `limit`, else `value`; continuous only where both are equal."""
    if limit != value:
        raise Refused("a threshold that jumps; use threshold = value, which is a shifted ReLU")
    return clamp(call, x, limit)


def leaky_relu(call: Call, x: Operand, slope: float = 0.01, ceiling: float = math.inf) -> Signal:
    """`min(max(0, x), ceiling) - slope · max(0, -x)`."""
    return activation(call, x, ReLU(ceiling)) if slope == 0 else _leaky(call, x, slope, ceiling)


def rrelu(call: Call, x: Operand, low: float = 1 / 8, high: float = 1 / 3) -> Signal:
    """In evaluation a leaky ReLU with the slope in the middle."""
    return leaky_relu(call, x, (low + high) / 2)


def prelu(call: Call, x: Operand, slope: Operand) -> Signal:
    """`max(0, x) - slope · max(0, -x)` with constant slopes that broadcast against `x`."""
    return _leaky(call, x, slope)


def absolute(call: Call, x: Operand) -> Signal:
    """`max(0, x) + max(0, -x)`."""
    return _leaky(call, x, -1.0)


def _leaky(call: Call, x: Operand, slope: Operand, ceiling: float = math.inf) -> Signal:
    source = anywhere(x)
    positive = activation(call, source, ReLU(ceiling))
    below = activation(call, affine(call, source, -1.0, 0.0, "negated"), ReLU(), "negative")
    scaled = affine(call, below, -slope, 0.0, "slope")  # type: ignore[operator]
    return call.like(positive, Add(call.part("sum"), (positive.name, scaled.name)))


def hardsigmoid(call: Call, x: Operand, slope: float = 1 / 6, offset: float = 0.5) -> Signal:
    """`min(max(0, slope · x + offset), 1)`."""
    return activation(call, affine(call, anywhere(x), slope, offset, "shift"), ReLU(1.0))


def gelu(call: Call, x: Operand, approximate: str = "none") -> Signal:
    """`x · Φ(x)`."""
    return activation(call, x, GELU(approximate == "tanh"))


def silu(call: Call, x: Operand, slope: float = 1.0) -> Signal:
    """`x · sigmoid(slope · x)`, a SiLU between two scales."""
    if slope == 0:
        raise Refused("has a sigmoid of nothing (slope 0); multiply by one half instead")
    source = anywhere(x)
    if slope == 1:
        return activation(call, source, SiLU())
    inner = activation(call, affine(call, source, slope, 0.0, "shift"), SiLU())
    return affine(call, inner, 1 / slope, 0.0, "unshift")


def softplus(call: Call, x: Operand, beta: float = 1.0, threshold: float = _LINEAR) -> Signal:
    """`log(1 + exp(beta · x)) / beta`."""
    if beta == 0 or threshold < _LINEAR:
        raise Refused(f"is linear from {threshold:g} / {beta:g} on; use beta other than 0 and threshold={_LINEAR:g}")
    return activation(call, x, Softplus(beta))


def log_sigmoid(call: Call, x: Operand) -> Signal:
    """`log(sigmoid(x)) = -log(1 + exp(-x))`."""
    return negative(call, activation(call, negative(call, x, "negated"), Softplus(), "softplus"))


def elu(call: Call, x: Operand, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Signal:
    """`scale · x` where positive, else `scale · alpha · (exp(input_scale · x) - 1)`; an ELU between two scales."""
    source = anywhere(x)
    if input_scale != 1:
        source = affine(call, source, input_scale, 0.0, "shift")
    inner = activation(call, source, ELU(alpha * input_scale))
    factor = scale / input_scale
    return inner if factor == 1 else affine(call, inner, factor, 0.0, "unshift")


def selu(call: Call, x: Operand, alpha: float = SELU_ALPHA, scale: float = SELU_SCALE) -> Signal:
    """An ELU with two fixed constants (Klambauer et al. 2017)."""
    return elu(call, x, alpha, scale)


def celu(call: Call, x: Operand, alpha: float = 1.0) -> Signal:
    """`x` where positive, else `alpha · (exp(x / alpha) - 1)`."""
    return elu(call, x, alpha, 1.0, 1.0 / alpha)


def glu(call: Call, x: Operand, dim: int = -1) -> Signal:
    """The first half along a dimension times the sigmoid of the second, which is analog."""
    source = anywhere(x)
    axis, half = source.layout.axis(dim), source.layout.size(dim) // 2
    value, gate = (
        call.like(source, Slice(call.part(part), (source.name,), axis, start, start + half))
        for part, start in (("value", 0), ("gate", half))
    )
    return mul(call, value, activation(call, gate, Sigmoid(), "sigmoid"))


def shrink(call: Call, x: Operand, limit: float = 0.5) -> Signal:
    """`max(0, x - limit) - max(0, -x - limit)`, the soft shrinkage."""
    source = anywhere(x)
    above = activation(call, affine(call, source, 1.0, -limit, "above"), ReLU())
    below = activation(call, affine(call, source, -1.0, -limit, "below"), ReLU(), "negative")
    return call.like(above, Add(call.part("sum"), (above.name, negative(call, below, "slope").name)))
