"""Sums and products of signals, and arithmetic with constants."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.frontends.semantics.call import Call, Operand, Refused, Signal, alike, anywhere, broadcast
from respike.ir import Add, Divide, ElementwiseAffine, Multiply


def add(call: Call, x: Operand, y: Operand, alpha: float = 1) -> str:
    """`x + alpha · y`, of two signals or a signal and a constant."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        first, second = alike((x, y))
        return call.emit(Add(call.name, (first.name, _scaled(call, second, alpha).name)))
    if isinstance(x, Signal):
        return affine(call, x, 1.0, _times(y, alpha))
    return affine(call, anywhere(y), alpha, x)


def sub(call: Call, x: Operand, y: Operand, alpha: float = 1) -> str:
    """`x - alpha · y`."""
    return add(call, x, y, -alpha)


def rsub(call: Call, x: Operand, y: Operand, alpha: float = 1) -> str:
    """`y - alpha · x`."""
    return add(call, y, x, -alpha)


def mul(call: Call, x: Operand, y: Operand) -> str:
    """`x · y`; of two signals it is analog."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        first, second = alike((x, y))
        return call.emit(Multiply(call.name, (first.name, second.name)))
    factor, source = (y, x) if isinstance(x, Signal) else (x, y)
    return affine(call, anywhere(source), factor, 0.0)


def div(call: Call, x: Operand, y: Operand, rounding_mode: str | None = None) -> str:
    """`x / y`; by a signal it is analog."""
    if rounding_mode is not None:
        raise Refused("rounds, which is a jump; only exact division can be converted")
    if isinstance(y, Signal):
        first, second = alike((x, y))
        return call.emit(Divide(call.name, (first.name, second.name)))
    return affine(call, anywhere(x), torch.as_tensor(y, dtype=torch.float64).reciprocal(), 0.0)


def neg(call: Call, x: Operand) -> str:
    """`-x`."""
    return affine(call, anywhere(x), -1.0, 0.0)


def square(call: Call, x: Operand) -> str:
    """`x · x`, which is analog."""
    return mul(call, x, x)


def power(call: Call, x: Operand, exponent: Operand) -> str:
    """`x²`; other powers are refused."""
    if isinstance(x, Signal) and isinstance(exponent, int | float) and exponent == 2:
        return square(call, x)
    raise Refused("a power other than 2 is neither affine nor a supported activation")


def affine(call: Call, x: Signal, scale: Operand, shift: Operand, part: str = "") -> str:
    """`scale · x + shift` with constants, as a node of the call's name or, with `part`, of a part of it."""
    name = f"{call.name}.{part}" if part else call.name
    return call.emit(ElementwiseAffine(name, (x.name,), broadcast(call, scale, x), broadcast(call, shift, x)))


def _scaled(call: Call, x: Signal, factor: float) -> Signal:
    return x if factor == 1 else Signal(affine(call, x, factor, 0.0, "scale"), x.layout)


def _times(value: Operand, factor: float) -> Operand:
    return value * factor if isinstance(value, Tensor | float | int) else value
