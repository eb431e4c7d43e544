"""Sums of signals, and arithmetic with constants."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.frontends.operators.call import Call, Operand, Refused, Signal, Translator, signal
from respike.ir import Add, ElementwiseAffine


def add(call: Call, x: Operand, y: Operand, alpha: float = 1) -> str:
    """`x + alpha · y`, of two signals or a signal and a constant."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        if x.ndim != y.ndim:
            raise Refused("adds signals of different ranks, which broadcasts the batch; unsqueeze the smaller one")
        return call.emit(Add(call.name, (x.name, _scaled(call, y, alpha).name)))
    if isinstance(x, Signal):
        return _affine(call, x, 1.0, _times(y, alpha))
    return _affine(call, signal(y), alpha, x)


def sub(call: Call, x: Operand, y: Operand, alpha: float = 1) -> str:
    """`x - alpha · y`."""
    return add(call, x, y, -alpha)


def rsub(call: Call, x: Operand, y: Operand, alpha: float = 1) -> str:
    """`y - alpha · x`."""
    return add(call, y, x, -alpha)


def mul(call: Call, x: Operand, y: Operand) -> str:
    """A signal times a constant."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        raise Refused("multiplies two signals (gating, attention); respike converts fixed weights only")
    factor, source = (y, x) if isinstance(x, Signal) else (x, y)
    return _affine(call, signal(source), factor, 0.0)


def div(call: Call, x: Operand, y: Operand, rounding_mode: str | None = None) -> str:
    """A signal divided by a constant."""
    if isinstance(y, Signal) or rounding_mode is not None:
        raise Refused("divides by a signal, or rounds; only division by a constant is affine")
    return _affine(call, signal(x), torch.as_tensor(y, dtype=torch.float64).reciprocal(), 0.0)


def neg(call: Call, x: Operand) -> str:
    """`-x`."""
    return _affine(call, signal(x), -1.0, 0.0)


def _affine(call: Call, x: Signal, scale: Operand, shift: Operand) -> str:
    return call.emit(ElementwiseAffine(call.name, (x.name,), _constant(call, x, scale), _constant(call, x, shift)))


def _scaled(call: Call, x: Signal, factor: float) -> Signal:
    if factor == 1:
        return x
    scale, shift = call.constant(factor), call.constant(0.0)
    return Signal(call.emit(ElementwiseAffine(f"{call.name}.scale", (x.name,), scale, shift)), x.shape)


def _times(value: Operand, factor: float) -> Operand:
    return value * factor if isinstance(value, Tensor | float | int) else value


def _constant(call: Call, x: Signal, value: Operand) -> Tensor:
    if isinstance(value, Signal):
        raise Refused("needs a constant where it is given a signal")
    constant = call.constant(value)
    if constant.ndim > x.ndim:
        raise Refused("its constant has more dimensions than the signal, which broadcasts the batch")
    if constant.ndim == x.ndim and constant.shape[0] != 1:
        if not bool((constant == constant[:1]).all()):
            raise Refused("its constant differs from sample to sample")
        constant = constant[:1].contiguous()
    return constant


aten = torch.ops.aten
ARITHMETIC: dict[object, Translator] = {
    aten.add: add,
    aten.sub: sub,
    aten.rsub: rsub,
    aten.mul: mul,
    aten.div: div,
    aten.neg: neg,
}
