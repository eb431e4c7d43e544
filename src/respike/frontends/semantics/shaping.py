"""Operators that only move elements, and those that change nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from respike.frontends.semantics.call import (
    MIXES,
    Call,
    Layout,
    Operand,
    Refused,
    Signal,
    alike,
    any_numbers,
    broadcast,
    signal,
    weights,
)
from respike.frontends.semantics.matrices import along, check_matrix
from respike.ir import Concat, ElementwiseAffine, Pad, Permute, Reshape, Slice

_MOST_TIMES = 4096
"""So often a signal is put behind itself at most."""


def reshape(call: Call, x: Operand, shape: Sequence[int]) -> Signal:
    """The same elements of each sample in another shape, with the batch in front."""
    source = any_numbers(x)
    if not source.layout.is_plain or source.layout.channels_last:
        raise Refused(MIXES)
    return _reshaped(call, source, Layout(tuple(shape)))


def relayout(call: Call, x: Operand, layout: Layout) -> Signal:
    """The same elements of the whole batch in the shape that `layout` says, which may merge the batch or move it.

    Samples stay apart if as many elements vary more slowly than they do as before.
    """
    source = any_numbers(x)
    slower, rest = divmod(source.layout.before, math.prod(layout.shape[: layout.batch]))
    if rest or layout.merged % max(1, slower) or math.prod(source.shape) != math.prod(layout.shape):
        raise Refused(MIXES)
    return _reshaped(call, source, replace(layout, slower=slower))


def _reshaped(call: Call, x: Signal, layout: Layout) -> Signal:
    same = x.shape == layout.shape
    name = x.name if same else call.emit(Reshape(call.name, (x.name,), layout.shape))
    return replace(x, name=name, layout=layout)


def squeeze(call: Call, x: Operand, dims: Sequence[int] | None = None) -> Signal:
    """Without dimensions of size one: those named, or all."""
    source = any_numbers(x)
    ones = [d for d in range(source.ndim) if d != source.layout.batch and source.layout.size(d) == 1]
    wanted = ones if dims is None else [d % source.ndim for d in dims]
    if any(d not in ones for d in wanted):
        raise Refused("squeezes the batch, or a dimension of more than one element")
    return _reshaped(call, source, source.layout.without(wanted))


def unsqueeze(call: Call, x: Operand, dims: Sequence[int]) -> Signal:
    """With new dimensions of size one, at these places of the result."""
    source = any_numbers(x)
    layout, ndim = source.layout, source.ndim + len(dims)
    for dim in sorted(d % ndim for d in dims):
        layout = layout.with_new(dim)
    return _reshaped(call, source, layout)


def permute(call: Call, x: Operand, dims: Sequence[int]) -> Signal:
    """Dimensions in another order."""
    source = any_numbers(x)
    layout = source.layout
    before = [d % source.ndim for d in dims]
    order = (0, *(_place(layout, d) for d in before if d != layout.batch or layout.merged > 1))
    same = order == tuple(range(len(order)))
    name = source.name if same else call.emit(Permute(call.name, (source.name,), order))
    shape = tuple(source.shape[axis - 1] for axis in order[1:])
    moved = Layout(shape, before.index(layout.batch), layout.merged, layout.slower)
    return replace(source, name=name, layout=moved)


def _place(layout: Layout, dim: int) -> int:
    return layout.batch + 1 if dim == layout.batch else layout.axis(dim)


def transpose(call: Call, x: Operand, first: int = 0, second: int = 1) -> Signal:
    """Two dimensions swapped."""
    source = any_numbers(x)
    order = list(range(source.ndim))
    order[first], order[second] = order[second], order[first]
    return permute(call, source, order)


def slice_(
    call: Call, x: Operand, dim: int = 0, start: int | None = None, stop: int | None = None, step: int = 1
) -> Signal:
    """Elements `start, start + step, … < stop` along a dimension; backwards where the step is negative."""
    source = any_numbers(x)
    axis, size = source.layout.axis(dim), source.layout.size(dim)
    places = range(size)[slice(start, stop, step)]
    if places == range(size):
        return source
    if not places:
        raise Refused("leaves nothing over")
    if step < 0:
        return gather(call, source, dim, list(places))
    return call.like(source, Slice(call.name, (source.name,), axis, places.start, places[-1] + 1, step))


def select(call: Call, x: Operand, dim: int, index: int) -> Signal:
    """One element along a dimension, which vanishes."""
    source = any_numbers(x)
    axis = source.layout.axis(dim)
    first = index % source.layout.size(dim)
    name = call.emit(Slice(call.name, (source.name,), axis, first, first + 1))
    left = source.layout.without([dim])
    return replace(source, name=call.emit(Reshape(call.part("squeeze"), (name,), left.shape)), layout=left)


def split(call: Call, x: Operand, sizes: int | Sequence[int], dim: int = 0) -> tuple[Signal, ...]:
    """Consecutive pieces along a dimension."""
    source = any_numbers(x)
    axis, whole = source.layout.axis(dim), source.layout.size(dim)
    if isinstance(sizes, int):
        sizes = [min(sizes, whole - start) for start in range(0, whole, sizes)]
    if sum(sizes) != whole or min(sizes) < 1:
        raise Refused(f"splits {whole} elements into {list(sizes)}")
    bounds = itertools.pairwise(itertools.accumulate(sizes, initial=0))
    pieces = (Slice(call.name, (source.name,), axis, start, stop) for start, stop in bounds)
    return tuple(source if len(sizes) == 1 else call.like(source, piece) for piece in pieces)


def chunk(call: Call, x: Operand, count: int, dim: int = 0) -> tuple[Signal, ...]:
    """At most `count` consecutive pieces of one size along a dimension, the last one smaller."""
    return split(call, x, -(-any_numbers(x).layout.size(dim) // count), dim)


def tensor_split(call: Call, x: Operand, parts: int | Sequence[int], dim: int = 0) -> tuple[Signal, ...]:
    """`parts` consecutive pieces along a dimension, the first ones larger by one; or cut at given places."""
    whole = any_numbers(x).layout.size(dim)
    if isinstance(parts, int):
        return split(call, x, [whole // parts + (i < whole % parts) for i in range(parts)], dim)
    cuts = [0, *(min(cut, whole) for cut in parts), whole]
    return split(call, x, [stop - start for start, stop in itertools.pairwise(cuts)], dim)


def unbind(call: Call, x: Operand, dim: int = 0) -> tuple[Signal, ...]:
    """Every element along a dimension, which vanishes."""
    source = any_numbers(x)
    return tuple(select(call, source, dim, i) for i in range(source.layout.size(dim)))


def gather(call: Call, x: Operand, dim: int, places: Sequence[int]) -> Signal:
    """Elements along a dimension by fixed numbers."""
    source = any_numbers(x)
    size = source.layout.size(dim)
    if not places or not all(-size <= n < size for n in places):
        raise Refused(f"picks the elements {list(places)} of a dimension of {size}")
    wanted = [n % size for n in places]
    if wanted == list(range(wanted[0], wanted[-1] + 1)):
        return slice_(call, source, dim, wanted[0], wanted[-1] + 1)
    check_matrix(len(wanted), size)
    return along(call, source, dim, one_hot(torch.tensor(wanted), size).double())


def diagonal(call: Call, x: Operand, offset: int = 0, first: int = 0, second: int = 1) -> Signal:
    """The elements whose places along two dimensions are the same, or differ by `offset`, behind the others."""
    source = any_numbers(x)
    rows, columns = source.layout.size(first), source.layout.size(second)
    ends = [d % source.ndim for d in (first, second)]
    turned = permute(call, source, [*(d for d in range(source.ndim) if d not in ends), *ends])
    layout = replace(turned.layout, shape=(*turned.shape[:-2], rows * columns))
    places = [r * columns + r + offset for r in range(rows) if 0 <= r + offset < columns]
    return gather(call, _reshaped(call, turned, layout), -1, places)


def concat(call: Call, parts: Sequence[Operand], dim: int = 0) -> Signal:
    """Signals one behind the other; constants among them are added where zeros have been put for them."""
    sources = alike((part for part in parts if isinstance(part, Signal)), whole=True)
    axis = sources[0].layout.axis(dim)
    if len(sources) == len(parts):
        if len({source.is_index for source in sources}) != 1:
            raise Refused("puts whole numbers and real ones together")
        return call.like(sources[0], Concat(call.name, tuple(source.name for source in sources), axis))
    signal(sources[0])
    names: list[str] = []
    shifts: list[Tensor] = []
    zeros = 0
    for part in parts:
        if isinstance(part, Signal):
            names.append(_zeros_beside(call, part.name, len(part.shape) + 1 - axis, zeros, 0))
            shifts.append(call.constant(0.0).expand(1, *part.shape))
            zeros = 0
        else:
            shifts.append(_beside(call, part, sources[0], axis))
            zeros += shifts[-1].shape[axis]
    names[-1] = _zeros_beside(call, names[-1], len(sources[0].shape) + 1 - axis, 0, zeros)
    whole = names[0] if len(names) == 1 else call.emit(Concat(call.part("signals"), tuple(names), axis))
    node = ElementwiseAffine(call.name, (whole,), call.constant(1.0), torch.cat(shifts, axis).contiguous())
    return call.like(sources[0], node)


def _beside(call: Call, value: Operand, x: Signal, axis: int) -> Tensor:
    """A constant for one sample, as large as `x` in every dimension but one."""
    constant = broadcast(call, value, x)
    if constant.ndim != len(x.shape) + 1:
        raise Refused(f"puts a constant of shape {list(constant.shape)} beside a signal of {x.ndim} dimensions")
    sizes = [1, *x.shape]
    sizes[axis] = constant.shape[axis]
    return constant.expand(sizes)


def _zeros_beside(call: Call, name: str, dims: int, before: int, after: int) -> str:
    """Zeros in front of and behind a value, along the first of its last `dims` dimensions."""
    amounts = (*(0, 0) * (dims - 1), before, after)
    return call.emit(Pad(call.part("pad"), (name,), amounts)) if before or after else name


def written(call: Call, x: Operand, part: Operand, dim: int, start: int, stop: int) -> Signal:
    """`x` with a part of it, along a dimension, in the place of its elements `start` … `stop - 1`."""
    size = x.layout.size(dim) if isinstance(x, Signal) else weights(x).shape[dim]
    parts = [_piece(call, x, dim, *side) for side in ((0, start), (stop, size)) if side[0] < side[1]]
    parts.insert(start > 0, part)
    return concat(call, parts, dim) if len(parts) > 1 else any_numbers(part)


def _piece(call: Call, x: Operand, dim: int, start: int, stop: int) -> Operand:
    return slice_(call, x, dim, start, stop) if isinstance(x, Signal) else weights(x).narrow(dim, start, stop - start)


def stack(call: Call, parts: Sequence[Operand], dim: int = 0) -> Signal:
    """Signals along a new dimension."""
    sources = alike(parts, whole=True)
    layout = sources[0].layout.with_new(dim)
    names = tuple(call.emit(Reshape(call.part("unsqueeze"), (s.name,), layout.shape)) for s in sources)
    return call.like(replace(sources[0], layout=layout), Concat(call.name, names, layout.axis(dim)))


def roll(call: Call, x: Operand, shifts: Sequence[int], dims: Sequence[int]) -> Signal:
    """The last elements of a dimension put in front of the others."""
    source = any_numbers(x)
    for shift, dim in zip(shifts, dims, strict=True):
        axis, size = source.layout.axis(dim), source.layout.size(dim)
        if cut := -shift % size:
            bounds = ((cut, size), (0, cut))
            parts = tuple(call.emit(Slice(call.part("part"), (source.name,), axis, *bound)) for bound in bounds)
            source = call.like(source, Concat(call.name, parts, axis))
    return source


def repeat(call: Call, x: Operand, times: Sequence[int]) -> Signal:
    """The whole signal so and so often along each of its dimensions, or the last ones where fewer are named."""
    source = any_numbers(x)
    times = (*(1,) * (source.ndim - len(times)), *times)
    if len(times) != source.ndim or times[source.layout.batch] != 1:
        raise Refused("repeats the batch, or adds dimensions in front of it; unsqueeze the input behind it first")
    for dim, count in enumerate(times):
        if count < 1:
            raise Refused("leaves nothing over")
        if count > _MOST_TIMES:
            raise Refused(f"repeats its input {count} times, which is more than respike takes; use expand")
        if count > 1:
            axis = source.layout.axis(dim)
            source = call.like(source, Concat(call.name, (source.name,) * count, axis))
    return source


def pixel_shuffle(call: Call, x: Operand, factor: int, *, columns_first: bool = True) -> Signal:
    """Channels `[c · r², h, w]` spread over space, `[c, h · r, w · r]`.

    `columns_first` takes the channels as `[c, r, r]`, as PyTorch does (ONNX calls it CRD), else as `[r, r, c]` (DCR).
    """
    source = _image(x)
    channels, height, width = source.shape
    depth = channels // factor**2
    parts = (depth, factor, factor) if columns_first else (factor, factor, depth)
    order = (0, 1, 4, 2, 5, 3) if columns_first else (0, 3, 4, 1, 5, 2)
    name = call.emit(Reshape(call.part("split"), (source.name,), (*parts, height, width)))
    name = call.emit(Permute(call.part("permute"), (name,), order))
    return call.like(source, Reshape(call.name, (name,), (depth, height * factor, width * factor)))


def pixel_unshuffle(call: Call, x: Operand, factor: int, *, columns_first: bool = True) -> Signal:
    """Space gathered into channels: the inverse of `pixel_shuffle`."""
    source = _image(x)
    channels, height, width = source.shape
    split_up = (channels, height // factor, factor, width // factor, factor)
    order = (0, 1, 3, 5, 2, 4) if columns_first else (0, 3, 5, 1, 2, 4)
    name = call.emit(Reshape(call.part("split"), (source.name,), split_up))
    name = call.emit(Permute(call.part("permute"), (name,), order))
    shape = (channels * factor**2, height // factor, width // factor)
    return call.like(source, Reshape(call.name, (name,), shape))


def _image(x: Operand) -> Signal:
    source = signal(x)
    if len(source.shape) != 3:
        raise Refused("takes the batch for channels, or works on something else than images; give it [batch, c, h, w]")
    return source


def channel_shuffle(call: Call, x: Operand, groups: int) -> Signal:
    """The channels of all groups in turn."""
    source = signal(x)
    channels, *space = source.shape
    name = call.emit(Reshape(call.part("split"), (source.name,), (groups, channels // groups, *space)))
    name = call.emit(Permute(call.part("permute"), (name,), (0, 2, 1, *range(3, 3 + len(space)))))
    return call.like(source, Reshape(call.name, (name,), source.shape))


def unchanged(call: Call, x: Operand) -> Signal:
    """The input itself (clone, detach, contiguous, dropout that is off, a cast to the type it already has)."""
    return any_numbers(x)


def filled_like(call: Call, x: Operand, value: float) -> Tensor:
    """One number in the shape of a signal, for one sample."""
    return torch.full((1, *signal(x).shape), value, dtype=call.dtype, device=call.device)


def sizes(x: Signal, batch: int) -> Tensor:
    """The sizes of a signal in the framework, with `batch` in the place of the batch size."""
    places = range(x.ndim)
    return torch.tensor([batch if dim == x.layout.batch else x.layout.size(dim) for dim in places])
