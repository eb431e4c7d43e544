"""Products of signals with each other and what normalises them: attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from respike.frontends.semantics.arithmetic import UNREACHED, affine
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, alike, anywhere, weights
from respike.frontends.semantics.layers import linear, transposed
from respike.frontends.semantics.shaping import reshape
from respike.ir import Add, Linear, MatMul, Permute, Softmax


def matmul(call: Call, x: Operand, y: Operand) -> Signal:
    """The matrix product of two signals, or of a signal and a constant matrix or vector on either side."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        return _product(call, x, y)
    if isinstance(x, Signal):
        return _times_matrix(call, x, weights(y))
    return _from_the_left(call, weights(x), anywhere(y))


def softmax(call: Call, x: Operand, dim: int) -> Signal:
    """`exp(x) / Σ exp(x)` along a dimension."""
    source = anywhere(x)
    return call.like(source, Softmax(call.name, (source.name,), source.layout.axis(dim)))


def log_softmax(call: Call, x: Operand, dim: int) -> Signal:
    """`x - log Σ exp(x)` along a dimension."""
    source = anywhere(x)
    return call.like(source, Softmax(call.name, (source.name,), source.layout.axis(dim), log=True))


def softmax_from(call: Call, x: Operand, dim: int, *, log: bool = False) -> Signal:
    """Softmax, or its logarithm, over all dimensions from `dim` on, taken together."""
    function = log_softmax if log else softmax
    source = anywhere(x)
    first = dim % source.ndim
    sizes = [source.layout.size(d) for d in range(first, source.ndim)]
    if sum(n != 1 for n in sizes) <= 1:
        longest = max(range(len(sizes)), key=sizes.__getitem__)
        return function(call, source, first + longest)
    axis = source.layout.axis(first)
    flat = reshape(call, source, (*source.shape[: axis - 1], math.prod(sizes)))
    return reshape(call, function(call, flat, -1), source.shape)


def attention(
    call: Call,
    query: Operand,
    key: Operand,
    value: Operand,
    mask: Operand | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Signal:
    """`softmax(scale · Q Kᵀ + mask) V` over the last two dimensions."""
    q, k, v = alike((query, key, value))
    _check_apart(q)
    scaled = affine(call, q, 1 / math.sqrt(q.shape[-1]) if scale is None else scale, 0.0, "scale")
    turned = call.emit(Permute(call.part("transpose"), (k.name,), _last_two_swapped(len(k.shape) + 1)))
    scores = call.like(scaled, MatMul(call.part("scores"), (scaled.name, turned)))
    if is_causal:
        mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
    if isinstance(mask, Signal):
        first, second = alike((scores, mask))
        scores = call.like(first, Add(call.part("mask"), (first.name, second.name)))
    elif mask is not None:
        scores = affine(call, scores, 1.0, _additive(weights(mask)), "mask")
    name = call.emit(Softmax(call.part("softmax"), (scores.name,), len(q.shape)))
    return call.like(q, MatMul(call.name, (name, v.name)))


def _check_apart(x: Signal) -> None:
    """The last two dimensions are multiplied, so neither may be the batch."""
    if x.layout.batch >= x.ndim - 2:
        raise Refused("multiplies matrices over the batch")


def _product(call: Call, x: Signal, y: Signal) -> Signal:
    first, second = alike((x, y))
    _check_apart(first)
    return call.like(first, MatMul(call.name, (first.name, second.name)))


def _times_matrix(call: Call, x: Signal, matrix: Tensor) -> Signal:
    """`x M`; a vector takes the last dimension away."""
    if matrix.ndim == 1:
        column = linear(call, x, matrix.reshape(1, -1))
        if len(x.shape) == 1:
            raise Refused("gives one number without a dimension for each sample; use a matrix with one column")
        return reshape(call, column, column.shape[:-1])
    return linear(call, x, transposed(_matrix(matrix, x.ndim)))


def _from_the_left(call: Call, matrix: Tensor, x: Signal) -> Signal:
    """`M x`: a linear map along the last dimension but one."""
    if x.layout.batch >= x.ndim - 2:
        raise Refused("mixes the samples of a batch: it multiplies them by a matrix from the left")
    order = _last_two_swapped(len(x.shape) + 1)
    name = call.emit(Permute(call.part("transpose"), (x.name,), order))
    name = call.emit(Linear(call.part("linear"), (name,), _matrix(matrix, x.ndim).contiguous()))
    return call.like(x, Permute(call.name, (name,), order))


def _matrix(value: Tensor, ndim: int) -> Tensor:
    """A constant factor as a matrix, if the dimensions in front of its last two are of size one."""
    if value.ndim < 2 or value.ndim > ndim or any(n != 1 for n in value.shape[:-2]):
        raise Refused(f"multiplies by a constant of shape {list(value.shape)}, which is not one matrix")
    return value.reshape(value.shape[-2:])


def _last_two_swapped(ndim: int) -> tuple[int, ...]:
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def _additive(mask: Tensor) -> Tensor:
    """What is added to the products: a mask of truth values, or one that is added as it is."""
    if mask.dtype == torch.bool:
        if not bool(mask.any(-1).all()):
            raise Refused("masks all keys of a query, whose result is then not defined")
        return torch.zeros(mask.shape).masked_fill(~mask, -UNREACHED)
    return mask.clamp(min=-UNREACHED)
