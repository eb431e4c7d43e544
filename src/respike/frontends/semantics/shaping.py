"""Operators that only move elements, and those that change nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from respike.frontends.semantics.call import (
    MIXES,
    Call,
    Layout,
    Operand,
    Refused,
    Result,
    Signal,
    alike,
    anywhere,
    broadcast,
    signal,
)
from respike.ir import Concat, ElementwiseAffine, Pad, Permute, Reshape, Slice


def reshape(call: Call, x: Operand, *_: object, **__: object) -> Result:
    """The same elements in the shape that the graph says (view, flatten, squeeze, unsqueeze).

    Samples stay apart if as many elements vary more slowly than they do as before.
    """
    source = anywhere(x)
    slower, rest = divmod(source.layout.before, math.prod(call.shape[: call.layout.batch]))
    if rest or call.layout.merged % max(1, slower) or math.prod(source.shape) != math.prod(call.shape):
        raise Refused(MIXES)
    layout = Layout(call.shape, call.layout.batch, call.layout.merged, slower)
    same = source.shape == call.shape
    return Signal(source.name if same else call.emit(Reshape(call.name, (source.name,), call.shape)), layout)


def permute(call: Call, x: Operand, dims: Sequence[int]) -> Result:
    """Dimensions in another order."""
    source = anywhere(x)
    layout = source.layout
    before = [d % source.ndim for d in dims]
    order = (0, *(_place(layout, d) for d in before if d != layout.batch or layout.merged > 1))
    moved = Layout(call.shape, before.index(layout.batch), layout.merged, layout.slower)
    same = order == tuple(range(len(order)))
    return Signal(source.name if same else call.emit(Permute(call.name, (source.name,), order)), moved)


def _place(layout: Layout, dim: int) -> int:
    return layout.batch + 1 if dim == layout.batch else layout.axis(dim)


def transpose(call: Call, x: Operand, first: int = 0, second: int = 1) -> Result:
    """Two dimensions swapped."""
    source = anywhere(x)
    order = list(range(source.ndim))
    order[first], order[second] = order[second], order[first]
    return permute(call, source, order)


def slice_(
    call: Call, x: Operand, dim: int = 0, start: int | None = None, stop: int | None = None, step: int = 1
) -> Result:
    """Elements `start, start + step, … < stop` along a dimension."""
    source = anywhere(x)
    if dim % source.ndim == source.layout.batch and call.shape == source.shape and not start:
        return source  # x[:], which is part of x[:, 1:]; that the batch stays whole is checked for every operator
    size = source.layout.size(dim)
    first, last, _ = slice(start, stop, step).indices(size)
    if (first, last, step) == (0, size, 1):
        return source
    return call.emit(Slice(call.name, (source.name,), source.layout.axis(dim), first, last, step))


def select(call: Call, x: Operand, dim: int, index: int) -> str:
    """One element along a dimension, which vanishes."""
    source = anywhere(x)
    axis = source.layout.axis(dim)
    first = index % source.layout.size(dim)
    name = call.emit(Slice(call.name, (source.name,), axis, first, first + 1))
    return call.emit(Reshape(f"{call.name}.squeeze", (name,), source.shape[: axis - 1] + source.shape[axis:]))


def split(call: Call, x: Operand, sizes: int | Sequence[int], dim: int = 0) -> tuple[str, ...]:
    """Consecutive pieces along a dimension."""
    source = anywhere(x)
    axis, total = source.layout.axis(dim), source.layout.size(dim)
    if isinstance(sizes, int):
        sizes = [min(sizes, total - start) for start in range(0, total, sizes)]
    stops = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    pieces = zip(stops, sizes, strict=True)
    return tuple(call.emit(Slice(call.name, (source.name,), axis, stop - size, stop)) for stop, size in pieces)


def chunk(call: Call, x: Operand, count: int, dim: int = 0) -> tuple[str, ...]:
    """At most `count` consecutive pieces of one size along a dimension, the last one smaller."""
    return split(call, x, -(-anywhere(x).layout.size(dim) // count), dim)


def tensor_split(call: Call, x: Operand, parts: int | Sequence[int], dim: int = 0) -> tuple[str, ...]:
    """`parts` consecutive pieces along a dimension, the first ones larger by one; or cut at given places."""
    total = anywhere(x).layout.size(dim)
    if isinstance(parts, int):
        return split(call, x, [total // parts + (i < total % parts) for i in range(parts)], dim)
    cuts = [0, *(min(cut, total) for cut in parts), total]
    return split(call, x, [stop - start for start, stop in itertools.pairwise(cuts)], dim)


def unbind(call: Call, x: Operand, dim: int = 0) -> tuple[str, ...]:
    """Every element along a dimension, which vanishes."""
    source = anywhere(x)
    return tuple(select(call, source, dim, i) for i in range(source.layout.size(dim)))


def getitem(call: Call, items: tuple[Signal | Tensor, ...], index: int) -> Result:
    """One of several results."""
    if index >= len(items):
        raise Refused("uses a second result (indices of a max pool?); only the values can be converted")
    return items[index]


def concat(call: Call, parts: Sequence[Operand], dim: int = 0) -> str:
    """Signals one behind the other; constants among them are added where zeros have been put for them."""
    sources = alike(part for part in parts if isinstance(part, Signal))
    axis = sources[0].layout.axis(dim)
    if len(sources) == len(parts):
        return call.emit(Concat(call.name, tuple(source.name for source in sources), axis))
    signal(sources[0])
    names: list[str] = []
    shifts: list[Tensor] = []
    zeros = 0
    for part in parts:
        if isinstance(part, Signal):
            names.append(_zeros_beside(call, part.name, part.ndim - axis, zeros, 0))
            shifts.append(call.constant(0.0).expand(1, *part.shape))
            zeros = 0
        else:
            shifts.append(broadcast(call, part, sources[0]))
            zeros += shifts[-1].shape[axis]
    names[-1] = _zeros_beside(call, names[-1], sources[0].ndim - axis, 0, zeros)
    whole = names[0] if len(names) == 1 else call.emit(Concat(f"{call.name}.signals", tuple(names), axis))
    return call.emit(ElementwiseAffine(call.name, (whole,), call.constant(1.0), torch.cat(shifts, axis).contiguous()))


def _zeros_beside(call: Call, name: str, dims: int, before: int, after: int) -> str:
    """Zeros in front of and behind a value, along the first of its last `dims` dimensions."""
    amounts = (*(0, 0) * (dims - 1), before, after)
    return call.emit(Pad(f"{call.name}.pad", (name,), amounts)) if before or after else name


def stack(call: Call, parts: Sequence[Operand], dim: int = 0) -> str:
    """Signals along a new dimension."""
    sources = alike(parts)
    axis = call.layout.axis(dim)
    shape = (*call.shape[: axis - 1], 1, *call.shape[axis:])
    names = tuple(call.emit(Reshape(f"{call.name}.unsqueeze", (s.name,), shape)) for s in sources)
    return call.emit(Concat(call.name, names, axis))


def roll(call: Call, x: Operand, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> Result:
    """The last elements of a dimension put in front of the others."""
    source = anywhere(x)
    if dims == ():
        raise Refused("rolls the flattened batch; name the dimensions")
    name = source.name
    for shift, dim in zip(_several(shifts), _several(dims), strict=True):
        axis, size = source.layout.axis(dim), source.layout.size(dim)
        if cut := -shift % size:
            parts = [call.emit(Slice(f"{call.name}.part", (name,), axis, *at)) for at in ((cut, size), (0, cut))]
            name = call.emit(Concat(call.name, tuple(parts), axis))
    return Signal(name, source.layout)


def _several(values: int | Sequence[int]) -> Sequence[int]:
    return (values,) if isinstance(values, int) else values


def repeat(call: Call, x: Operand, times: Sequence[int]) -> Result:
    """The whole signal so and so often along each dimension."""
    source = anywhere(x)
    if len(times) != source.ndim or times[source.layout.batch] != 1:
        raise Refused("repeats the batch, or adds dimensions in front of it")
    name = source.name
    for dim, count in enumerate(times):
        if count != 1:
            name = call.emit(Concat(call.name, (name,) * count, source.layout.axis(dim)))
    return Signal(name, source.layout)


def pixel_shuffle(call: Call, x: Operand, factor: int) -> str:
    """Channels `[c · r², h, w]` spread over space, `[c, h · r, w · r]`."""
    source = signal(x)
    *front, channels, height, width = source.shape
    if front:
        raise Refused("takes the batch for channels; give it an input with a batch dimension")
    split_up = (channels // factor**2, factor, factor, height, width)
    name = call.emit(Reshape(f"{call.name}.split", (source.name,), split_up))
    name = call.emit(Permute(f"{call.name}.permute", (name,), (0, 1, 4, 2, 5, 3)))
    return call.emit(Reshape(call.name, (name,), call.shape))


def pixel_unshuffle(call: Call, x: Operand, factor: int) -> str:
    """Space gathered into channels: the inverse of `pixel_shuffle`."""
    source = signal(x)
    channels, height, width = source.shape
    split_up = (channels, height // factor, factor, width // factor, factor)
    name = call.emit(Reshape(f"{call.name}.split", (source.name,), split_up))
    name = call.emit(Permute(f"{call.name}.permute", (name,), (0, 1, 3, 5, 2, 4)))
    return call.emit(Reshape(call.name, (name,), call.shape))


def channel_shuffle(call: Call, x: Operand, groups: int) -> str:
    """The channels of all groups in turn."""
    source = signal(x)
    channels, *space = source.shape
    name = call.emit(Reshape(f"{call.name}.split", (source.name,), (groups, channels // groups, *space)))
    name = call.emit(Permute(f"{call.name}.permute", (name,), (0, 2, 1, *range(3, 3 + len(space)))))
    return call.emit(Reshape(call.name, (name,), call.shape))


def unchanged(call: Call, x: Operand, *_: object, **__: object) -> Result:
    """The input itself (clone, detach, contiguous, dropout that is off, a cast to the type it already has)."""
    return anywhere(x)


def zeros_like(call: Call, x: Operand, *_: object, **__: object) -> Tensor:
    """Zeros in the shape of a signal, for one sample."""
    signal(x)
    return torch.zeros(1, *call.shape, dtype=call.dtype, device=call.device)
