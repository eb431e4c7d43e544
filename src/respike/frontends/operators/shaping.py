"""Operators that only move elements, and those that change nothing."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import torch
from torch import Tensor

from respike.frontends.operators.call import Call, Operand, Refused, Result, Signal, Translator, dimension, signal
from respike.ir import Concat, Pad, Permute, Reshape, Slice


def reshape(call: Call, x: Operand, *_: object, **__: object) -> Result:
    """The same elements of each sample in the shape that the graph says (view, flatten, squeeze, unsqueeze)."""
    source = signal(x)
    if math.prod(source.shape) != math.prod(call.shape):
        raise Refused("moves elements between samples; keep dimension 0 the batch, as in flatten(1)")
    return source if source.shape == call.shape else call.emit(Reshape(call.name, (source.name,), call.shape))


def permute(call: Call, x: Operand, dims: Sequence[int]) -> Result:
    """Dimensions in another order."""
    source = signal(x)
    order = tuple(d % source.ndim for d in dims)
    if order[0] != 0:
        raise Refused("moves the batch away from dimension 0")
    return source if order == tuple(range(source.ndim)) else call.emit(Permute(call.name, (source.name,), order))


def transpose(call: Call, x: Operand, first: int = 0, second: int = 1) -> Result:
    """Two dimensions swapped."""
    source = signal(x)
    order = list(range(source.ndim))
    order[first], order[second] = order[second], order[first]
    return permute(call, source, order)


def slice_(
    call: Call, x: Operand, dim: int = 0, start: int | None = None, stop: int | None = None, step: int = 1
) -> Result:
    """Elements `start, start + step, … < stop` along a dimension."""
    source = signal(x)
    if dim % source.ndim == 0 and call.shape == source.shape and not start:
        return source  # x[:], which is part of x[:, 1:]; that the batch stays whole is checked for every operator
    front = dimension(dim, source)
    first, last, _ = slice(start, stop, step).indices(source.shape[front - 1])
    if (first, last, step) == (0, source.shape[front - 1], 1):
        return source
    return call.emit(Slice(call.name, (source.name,), front, first, last, step))


def select(call: Call, x: Operand, dim: int, index: int) -> str:
    """One element along a dimension, which vanishes."""
    source = signal(x)
    front = dimension(dim, source)
    first = index % source.shape[front - 1]
    name = call.emit(Slice(call.name, (source.name,), front, first, first + 1))
    return call.emit(Reshape(f"{call.name}.squeeze", (name,), source.shape[: front - 1] + source.shape[front:]))


def split(call: Call, x: Operand, sizes: int | Sequence[int], dim: int = 0) -> tuple[str, ...]:
    """Consecutive pieces along a dimension."""
    source = signal(x)
    front = dimension(dim, source)
    total = source.shape[front - 1]
    if isinstance(sizes, int):
        sizes = [min(sizes, total - start) for start in range(0, total, sizes)]
    stops = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    pieces = zip(stops, sizes, strict=True)
    return tuple(call.emit(Slice(call.name, (source.name,), front, stop - size, stop)) for stop, size in pieces)


def unbind(call: Call, x: Operand, dim: int = 0) -> tuple[str, ...]:
    """Every element along a dimension, which vanishes."""
    source = signal(x)
    return tuple(select(call, source, dim, i) for i in range(source.shape[dimension(dim, source) - 1]))


def getitem(call: Call, items: tuple[Signal | Tensor, ...], index: int) -> Result:
    """One of several results."""
    if index >= len(items):
        raise Refused("uses a second result (indices of a max pool?); only the values can be converted")
    return items[index]


def concat(call: Call, parts: Sequence[Operand], dim: int = 0) -> str:
    """Signals one behind the other."""
    sources = [signal(part) for part in parts]
    return call.emit(Concat(call.name, tuple(s.name for s in sources), dimension(dim, sources[0])))


def stack(call: Call, parts: Sequence[Operand], dim: int = 0) -> str:
    """Signals along a new dimension."""
    sources = [signal(part) for part in parts]
    front = dim % (sources[0].ndim + 1)
    if front == 0:
        raise Refused("works along dimension 0, the batch; samples must not be mixed")
    shape = (*sources[0].shape[: front - 1], 1, *sources[0].shape[front - 1 :])
    names = tuple(call.emit(Reshape(f"{call.name}.unsqueeze", (s.name,), shape)) for s in sources)
    return call.emit(Concat(call.name, names, front))


def pad(call: Call, x: Operand, amounts: Sequence[int], mode: str = "constant", value: float | None = None) -> Result:
    """A constant around the input."""
    source, fill = signal(x), float(value or 0.0)
    if mode != "constant" or not math.isfinite(fill):
        raise Refused(f"padding of mode {mode!r} with {fill} is not supported; pad with zeros (padding_mode='zeros')")
    if any(amounts[2 * (source.ndim - 1) :]):
        raise Refused("pads the batch dimension")
    if not any(amounts):
        return source
    return call.emit(Pad(call.name, (source.name,), tuple(amounts[: 2 * (source.ndim - 1)]), fill))


def constant_pad(call: Call, x: Operand, amounts: Sequence[int], value: float = 0.0) -> Result:
    """A constant around the input."""
    return pad(call, x, amounts, "constant", value)


def unchanged(call: Call, x: Operand, *_: object, **__: object) -> Result:
    """The input itself (clone, detach, contiguous, dropout that is off, a cast to the type it already has)."""
    return signal(x)


def zeros_like(call: Call, x: Operand, *_: object, **__: object) -> Tensor:
    """Zeros in the shape of a signal, for one sample."""
    return torch.zeros(1, *call.shape, dtype=call.dtype, device=call.device)


aten = torch.ops.aten
SHAPING: dict[object, Translator] = {
    operator.getitem: getitem,
    aten.view: reshape,
    aten.reshape: reshape,
    aten._unsafe_view: reshape,
    aten.flatten: reshape,
    aten.unflatten: reshape,
    aten.squeeze: reshape,
    aten.unsqueeze: reshape,
    aten.permute: permute,
    aten.transpose: transpose,
    aten.t: transpose,
    aten.slice: slice_,
    aten.select: select,
    aten.split: split,
    aten.split_with_sizes: split,
    aten.unbind: unbind,
    aten.cat: concat,
    aten.stack: stack,
    aten.pad: pad,
    aten.constant_pad_nd: constant_pad,
    aten.clone: unchanged,
    aten.detach: unchanged,
    aten.alias: unchanged,
    aten.contiguous: unchanged,
    aten._to_copy: unchanged,
    aten.zeros_like: zeros_like,
}
