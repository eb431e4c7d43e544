"""Sums and products of signals, and arithmetic with constants."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from respike.frontends.semantics.call import (
    Call,
    Operand,
    Refused,
    Signal,
    alike,
    anywhere,
    broadcast,
    is_number,
    weights,
)
from respike.ir import Activation, Add, Divide, ElementwiseAffine, Multiply, Root

UNREACHED = 1e30
"""What stands for infinity, where masks write it: finite, and the exponential of its negative is zero."""


def add(call: Call, x: Operand, y: Operand, alpha: float = 1) -> Signal:
    """`x + alpha · y`, of two signals or a signal and a constant."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        first, second = alike((x, y))
        scaled = second if alpha == 1 else affine(call, second, alpha, 0.0, "scale")
        return call.like(first, Add(call.name, (first.name, scaled.name)))
    if isinstance(x, Signal):
        return affine(call, x, 1.0, y * alpha)  # type: ignore[operator]
    return affine(call, anywhere(y), alpha, x)


def sub(call: Call, x: Operand, y: Operand, alpha: float = 1) -> Signal:
    """`x - alpha · y`."""
    return add(call, x, y, -alpha)


def total(call: Call, parts: Sequence[Operand]) -> Signal:
    """The sum of any number of signals and constants."""
    signals = alike(part for part in parts if isinstance(part, Signal))
    result = signals[0]
    if len(signals) > 1:
        result = call.like(result, Add(call.name, tuple(source.name for source in signals)))
    for constant in (part for part in parts if not isinstance(part, Signal)):
        result = add(call, result, constant)
    return result


def average(call: Call, parts: Sequence[Operand]) -> Signal:
    """The mean of any number of signals and constants."""
    return affine(call, total(call, parts), 1 / len(parts), 0.0, "mean")


def mul(call: Call, x: Operand, y: Operand) -> Signal:
    """`x · y`; of two signals it is analog."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        first, second = alike((x, y))
        return call.like(first, Multiply(call.name, (first.name, second.name)))
    factor, source = (y, x) if isinstance(x, Signal) else (x, y)
    return affine(call, anywhere(source), factor, 0.0)


def div(call: Call, x: Operand, y: Operand) -> Signal:
    """`x / y`; by a signal it is analog."""
    if not isinstance(y, Signal):
        divisor = torch.as_tensor(y, dtype=torch.float64)
        if not bool(divisor.all()):
            raise Refused("divides by zero")
        return affine(call, anywhere(x), divisor.reciprocal(), 0.0)
    numerator = x if isinstance(x, Signal) else affine(call, anywhere(y), 0.0, x, "numerator")
    first, second = alike((numerator, y))
    return call.like(first, Divide(call.name, (first.name, second.name)))


def reciprocal(call: Call, x: Operand) -> Signal:
    """`1 / x`, which is analog."""
    return div(call, 1.0, x)


def negative(call: Call, x: Operand, part: str = "") -> Signal:
    """`-x`."""
    return affine(call, anywhere(x), -1.0, 0.0, part)


def square(call: Call, x: Operand) -> Signal:
    """`x · x`, which is analog."""
    return mul(call, x, x)


def power(call: Call, x: Operand, exponent: Operand) -> Signal:
    """`x`, `x²` and `x³`, which are analog, and roots, which norms take; other powers are refused."""
    match float(exponent) if isinstance(x, Signal) and is_number(exponent) else None:  # type: ignore[arg-type]
        case 1.0:
            return anywhere(x)
        case 2.0:
            return square(call, x)
        case 3.0:
            source = anywhere(x)
            squared = call.like(source, Multiply(call.part("square"), (source.name, source.name)))
            return mul(call, squared, source)
        case 0.5:
            return root(call, x)
        case -0.5:
            return inverse_root(call, x)
        case _:
            raise Refused(
                "a power other than 2 or 3 is neither affine nor a supported activation; write it as products"
            )


def root(call: Call, x: Operand) -> Signal:
    """`√x`, which norms take: `x / √(mean(x²) + ε)`; anywhere else it is refused."""
    source = anywhere(x)
    return call.like(source, Activation(call.name, (source.name,), Root()))


def inverse_root(call: Call, x: Operand) -> Signal:
    """`1 / √x`, which norms take; anywhere else it is refused."""
    source = anywhere(x)
    return reciprocal(call, call.like(source, Activation(call.part("root"), (source.name,), Root())))


def chosen(call: Call, mask: Operand, x: Operand, y: Operand) -> Signal:
    """`x` where a fixed mask is true, and `y` elsewhere."""
    first = weights(mask).bool()
    parts = [(x, first), (y, ~first)]
    signals = [(value, place) for value, place in parts if isinstance(value, Signal)]
    if len(signals) == 2:
        kept_of_x, kept_of_y = (affine(call, value, place, 0.0, "chosen") for value, place in signals)
        return add(call, kept_of_x, kept_of_y)
    ((source, kept),) = signals
    constant = next(value for value, _ in parts if not isinstance(value, Signal))
    filled = call.constant(constant).clamp(-UNREACHED, UNREACHED)
    return affine(call, source, kept, torch.where(kept, torch.zeros_like(filled), filled))


def triangle(call: Call, x: Operand, diagonal: int = 0, *, upper: bool = False) -> Signal:
    """The elements of the last two dimensions on a diagonal and below it, or above it; zeros elsewhere."""
    source = anywhere(x)
    ones = call.constant(torch.ones(source.layout.size(-2), source.layout.size(-1)))
    return affine(call, source, ones.triu(diagonal) if upper else ones.tril(diagonal), 0.0)


def affine(call: Call, x: Signal, scale: Operand, shift: Operand, part: str = "") -> Signal:
    """`scale · x + shift` with constants, as a node of the call's name or, with `part`, of a part of it."""
    source = anywhere(x)
    node = ElementwiseAffine(
        call.part(part), (source.name,), broadcast(call, scale, source), broadcast(call, shift, source)
    )
    return call.like(source, node)
