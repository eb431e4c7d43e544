"""Arithmetic of signals and constants."""

from __future__ import annotations

import torch

from respike.frontends.semantics import ADVICE, activations, arithmetic
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, Translator
from respike.frontends.semantics.meaning import means


@means(arithmetic.sub)
def rsub(call: Call, x: Operand, y: Operand, alpha: float = 1) -> Signal:
    """`y - alpha · x`."""
    return arithmetic.sub(call, y, x, alpha)


@means(arithmetic.div, activations.floor)
def div(call: Call, x: Operand, y: Operand, rounding_mode: str | None = None) -> Signal:
    """Division, which may round down."""
    if rounding_mode not in (None, "floor"):
        raise Refused('cuts off towards zero, which no neuron does; use rounding_mode="floor"')
    quotient = arithmetic.div(call, x, y)
    return quotient if rounding_mode is None else activations.floor(call, quotient, "floor")


@means(arithmetic.chosen)
def where(call: Call, mask: Operand, x: Operand | None = None, y: Operand | None = None) -> Signal:
    """One value where a fixed mask is true, and another one elsewhere."""
    if x is None or y is None:
        raise Refused(ADVICE["nonzero"])
    return arithmetic.chosen(call, mask, x, y)


@means(arithmetic.chosen)
def masked_fill(call: Call, x: Operand, mask: Operand, value: Operand) -> Signal:
    """A constant where a fixed mask is true."""
    return arithmetic.chosen(call, mask, value, x)


@means(arithmetic.triangle)
def upper_triangle(call: Call, x: Operand, diagonal: int = 0) -> Signal:
    """Zeros below a diagonal."""
    return arithmetic.triangle(call, x, diagonal, upper=True)


aten = torch.ops.aten

ARITHMETIC: dict[object, Translator] = {
    aten.add: arithmetic.add,
    aten.sub: arithmetic.sub,
    aten.rsub: rsub,
    aten.mul: arithmetic.mul,
    aten.div: div,
    aten.reciprocal: arithmetic.reciprocal,
    aten.neg: arithmetic.negative,
    aten.square: arithmetic.square,
    aten.pow: arithmetic.power,
    aten.sqrt: arithmetic.root,
    aten.rsqrt: arithmetic.inverse_root,
    aten.where: where,
    aten.masked_fill: masked_fill,
    aten.tril: arithmetic.triangle,
    aten.triu: upper_triangle,
}
