"""Sums, differences, products and quotients of signals and constants."""

from __future__ import annotations

from respike.frontends.onnx.call import Operator
from respike.frontends.semantics import Signal, arithmetic, products
from respike.frontends.semantics.call import Operand, Translator
from respike.frontends.semantics.meaning import means


@means(arithmetic.total)
def sum_(op: Operator, *parts: Operand) -> Signal:
    """The sum of any number of values."""
    return arithmetic.total(op, parts)


@means(arithmetic.average)
def mean(op: Operator, *parts: Operand) -> Signal:
    """The mean of any number of values."""
    return arithmetic.average(op, parts)


@means(products.softmax)
def softmax(op: Operator, x: Operand) -> Signal:
    """`exp(x) / Σ exp(x)` along an axis; before opset 13 over all dimensions from there on."""
    if op.opset < 13:
        return products.softmax_from(op, x, op.integer("axis", 1))
    return products.softmax(op, x, op.integer("axis", -1))


ARITHMETIC: dict[str, Translator] = {
    "Add": arithmetic.add,
    "Sub": arithmetic.sub,
    "Neg": arithmetic.negative,
    "Mul": arithmetic.mul,
    "Div": arithmetic.div,
    "Reciprocal": arithmetic.reciprocal,
    "Pow": arithmetic.power,
    "Sum": sum_,
    "Mean": mean,
    "MatMul": products.matmul,
    "Softmax": softmax,
}
