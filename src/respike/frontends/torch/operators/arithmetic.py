"""Arithmetic of signals and constants."""

from __future__ import annotations

import torch

from respike.frontends.semantics import activations, arithmetic
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
}
