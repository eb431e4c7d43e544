"""Sums, differences, products and quotients of signals and constants."""

from __future__ import annotations

import torch

from respike.frontends.onnx.call import Operand, Operator, Refused, Signal, Translator, number, signal
from respike.frontends.semantics import arithmetic as torch_arithmetic
from respike.ir import Add, ElementwiseAffine

_RANKS = "combines signals of different ranks, which broadcasts the batch; unsqueeze the smaller one"


def add(op: Operator, x: Operand, y: Operand) -> Signal:
    """`x + y`."""
    return op.by(torch_arithmetic.add, x, y)


def sub(op: Operator, x: Operand, y: Operand) -> Signal:
    """`x - y`."""
    return op.by(torch_arithmetic.sub, x, y)


def neg(op: Operator, x: Operand) -> Signal:
    """`-x`."""
    return op.by(torch_arithmetic.neg, x)


def mul(op: Operator, x: Operand, y: Operand) -> Signal:
    """`x · y`; of two signals it is analog."""
    return op.by(torch_arithmetic.mul, x, y)


def div(op: Operator, x: Operand, y: Operand) -> Signal:
    """`x / y`; of two signals it is analog."""
    return op.by(torch_arithmetic.div, x, y)


def pow_(op: Operator, x: Operand, exponent: Operand) -> Signal:
    """`x²`, which is analog; other powers are refused."""
    return op.by(torch_arithmetic.power, x, number(exponent))


def sum_(op: Operator, *parts: Operand) -> Signal:
    """The sum of any number of signals."""
    sources = [signal(part) for part in parts]
    if len(sources) == 1:
        return sources[0]
    if len({source.ndim for source in sources}) != 1:
        raise Refused(_RANKS)
    return op.emit(Add(op.name, tuple(source.name for source in sources)))


def mean(op: Operator, *parts: Operand) -> Signal:
    """The mean of any number of signals."""
    share = torch.tensor(1 / len(parts), dtype=op.dtype)
    total = sum_(op, *parts)
    return op.emit(ElementwiseAffine(f"{op.name}.mean", (total.name,), share, torch.zeros_like(share)))


ARITHMETIC: dict[str, Translator] = {
    "Add": add,
    "Sub": sub,
    "Neg": neg,
    "Mul": mul,
    "Div": div,
    "Pow": pow_,
    "Sum": sum_,
    "Mean": mean,
}
