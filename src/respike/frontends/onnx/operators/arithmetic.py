"""Sums, differences, products and quotients of signals and constants."""

from __future__ import annotations

from collections.abc import Callable

from respike.frontends.onnx.call import Operator
from respike.frontends.semantics import Signal, arithmetic, products
from respike.frontends.semantics.call import Operand, Translator, number
from respike.frontends.semantics.meaning import means


@means(arithmetic.total)
def sum_(op: Operator, *parts: Operand) -> Signal:
    """The sum of any number of values."""
    return arithmetic.total(op, parts)


@means(arithmetic.average)
def mean(op: Operator, *parts: Operand) -> Signal:
    """The mean of any number of values."""
    return arithmetic.average(op, parts)


@means(arithmetic.triangle)
def triangle(op: Operator, x: Operand, diagonal: Operand = 0) -> Signal:
    """Zeros above a diagonal, or below it."""
    return arithmetic.triangle(op, x, int(number(diagonal)), upper=bool(op.integer("upper", 1)))


def along_axis(function: Callable[..., Signal], *, log: bool) -> Translator:
    """Softmax, or its logarithm, along an axis; before opset 13 over all dimensions from there on."""

    @means(function)
    def translate(op: Operator, x: Operand) -> Signal:
        if op.opset < 13:
            return products.softmax_from(op, x, op.integer("axis", 1), log=log)
        return function(op, x, op.integer("axis", -1))

    return translate


ARITHMETIC: dict[str, Translator] = {
    "Add": arithmetic.add,
    "Sub": arithmetic.sub,
    "Neg": arithmetic.negative,
    "Mul": arithmetic.mul,
    "Div": arithmetic.div,
    "Reciprocal": arithmetic.reciprocal,
    "Pow": arithmetic.power,
    "Sqrt": arithmetic.root,
    "Where": arithmetic.chosen,
    "Trilu": triangle,
    "Sum": sum_,
    "Mean": mean,
    "MatMul": products.matmul,
    "Softmax": along_axis(products.softmax, log=False),
    "LogSoftmax": along_axis(products.log_softmax, log=True),
}
