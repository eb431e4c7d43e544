"""Products of signals with each other and what normalises them: attention."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from respike.frontends.semantics.arithmetic import affine
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, alike, anywhere, weights
from respike.frontends.semantics.layers import linear, transposed
from respike.ir import Linear, MatMul, Permute, Softmax

_MASKED = -1e30
"""What is added to masked products in place of minus infinity: finite, and its exponential is zero."""


def matmul(call: Call, x: Operand, y: Operand) -> str:
    """The matrix product of two signals, or of a signal and a constant matrix on either side."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        return _product(call, x, y)
    if isinstance(x, Signal):
        return linear(call, x, transposed(weights(y)))
    return _from_the_left(call, weights(x), anywhere(y))


def softmax(call: Call, x: Operand, dim: int, *_: object) -> str:
    """`exp(x) / Σ exp(x)` along a dimension."""
    source = anywhere(x)
    return call.emit(Softmax(call.name, (source.name,), source.layout.axis(dim)))


def attention(
    call: Call,
    query: Operand,
    key: Operand,
    value: Operand,
    mask: Operand | None = None,
    dropout: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> str:
    """`softmax(scale · Q Kᵀ + mask) V` over the last two dimensions."""
    q, k, v = alike((query, key, value))
    _check_apart(q)
    if dropout or enable_gqa:
        raise Refused("has dropout that is on, or shares keys between groups of heads, which is not supported")
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scaled = Signal(affine(call, q, factor, 0.0, "scale"), q.layout)
    turned = call.emit(Permute(f"{call.name}.transpose", (k.name,), _last_two_swapped(len(k.shape) + 1)))
    name = call.emit(MatMul(f"{call.name}.scores", (scaled.name, turned)))
    scores = Signal(name, replace(q.layout, shape=(*q.shape[:-1], k.shape[-2])))
    if is_causal:
        mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
    if mask is not None:
        scores = Signal(affine(call, scores, 1.0, _additive(weights(mask)), "mask"), scores.layout)
    name = call.emit(Softmax(f"{call.name}.softmax", (scores.name,), len(q.shape)))
    return call.emit(MatMul(call.name, (name, v.name)))


def _check_apart(x: Signal) -> None:
    """The last two dimensions are multiplied, so neither may be the batch."""
    if x.layout.batch >= x.ndim - 2:
        raise Refused("multiplies matrices over the batch")


def _product(call: Call, x: Signal, y: Signal) -> str:
    first, second = alike((x, y))
    _check_apart(first)
    return call.emit(MatMul(call.name, (first.name, second.name)))


def _from_the_left(call: Call, matrix: Tensor, x: Signal) -> str:
    """`M x`: a linear map along the last dimension but one."""
    if matrix.ndim != 2 or x.layout.batch >= x.ndim - 2:
        raise Refused("its weight is not a matrix, or it mixes the samples of a batch")
    order = _last_two_swapped(len(x.shape) + 1)
    name = call.emit(Permute(f"{call.name}.transpose", (x.name,), order))
    name = call.emit(Linear(f"{call.name}.linear", (name,), matrix.contiguous()))
    return call.emit(Permute(call.name, (name,), order))


def _last_two_swapped(ndim: int) -> tuple[int, ...]:
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def _additive(mask: Tensor) -> Tensor:
    """What is added to the products: a mask of truth values, or one that is added as it is."""
    if mask.dtype == torch.bool:
        if not bool(mask.any(-1).all()):
            raise Refused("masks all keys of a query, whose result is then not defined")
        return torch.zeros(mask.shape).masked_fill(~mask, _MASKED)
    return mask.clamp(min=_MASKED)
