"""Operators that only move elements, and those that change nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from respike.frontends.onnx.call import (
    BATCH,
    Operand,
    Operator,
    Refused,
    Signal,
    Translator,
    anywhere,
    broadcast,
    dimension,
    number,
    signal,
    weights,
    whole_numbers,
)
from respike.frontends.onnx.operators.layers import torch_order
from respike.ir import Concat, ElementwiseAffine, Embedding, Pad, Permute, Reshape, Slice

_MIXES = "mixes the samples of a batch; keep dimension 0 the batch"


def shape_(op: Operator, x: Operand) -> Tensor:
    """The sizes of a signal; the batch stands first."""
    return torch.tensor([BATCH, *signal(x).shape])[op.integer("start", 0) : op.attributes.get("end")]


def size(op: Operator, x: Operand) -> Tensor:
    """The number of elements of a signal."""
    return torch.tensor(BATCH * math.prod(signal(x).shape))


def reshape(op: Operator, x: Operand, shape: Operand) -> Signal:
    """The same elements of each sample in another shape; `-1` is what is left, `0` what was there."""
    source, wanted = signal(x), list(whole_numbers(shape, "sizes"))
    if not op.integer("allowzero", 0):
        given = (BATCH, *source.shape)
        wanted = [given[i] if n == 0 and i < len(given) else n for i, n in enumerate(wanted)]
    elements, rest = math.prod(source.shape), wanted[1:]
    if rest.count(-1) == 1 and wanted[0] in (BATCH, op.batch):
        known = -math.prod(rest)
        rest[rest.index(-1)] = elements // known if known else 0
    if not wanted or wanted[0] not in (BATCH, op.batch, -1) or min(rest, default=1) < 0 or math.prod(rest) != elements:
        raise Refused(f"{_MIXES}: {[*source.shape]} for each sample cannot become {_spoken(wanted)}")
    return _reshaped(op, source, tuple(rest))


def _spoken(sizes: list[int]) -> str:
    return "[" + ", ".join("batch" if n == BATCH else str(n) for n in sizes) + "]"


def _reshaped(op: Operator, x: Signal, shape: tuple[int, ...]) -> Signal:
    return x if x.shape == shape else op.emit(Reshape(op.name, (x.name,), shape))


def flatten(op: Operator, x: Operand) -> Signal:
    """All dimensions from `axis` on as one."""
    source = signal(x)
    axis = op.integer("axis", 1)
    front = axis + source.ndim if axis < 0 else axis
    if front == 0 or math.prod(source.shape[: front - 1]) != 1:
        raise Refused(f"{_MIXES}: flatten from axis 1")
    return _reshaped(op, source, (math.prod(source.shape),))


def squeeze(op: Operator, x: Operand, axes: Operand | None = None) -> Signal:
    """Without dimensions of size one."""
    source, wanted = anywhere(x), op.integers("axes", axes)
    if wanted is None:
        dims = {dim for dim, n in enumerate(source.shape, start=1) if n == 1}
        wanted = tuple(dim - 1 if dim <= source.batch else dim for dim in dims)
    dims = {dimension(axis, source) for axis in wanted}
    if any(source.shape[dim - 1] != 1 for dim in dims):
        raise Refused("squeezes a dimension of more than one element")
    squeezed = _reshaped(op, source, tuple(n for dim, n in enumerate(source.shape, start=1) if dim not in dims))
    return replace(squeezed, batch=source.batch - sum(axis % source.ndim < source.batch for axis in wanted))


def unsqueeze(op: Operator, x: Operand, axes: Operand | None = None) -> Signal:
    """With new dimensions of size one."""
    source, wanted = signal(x), op.integers("axes", axes) or ()
    ndim = source.ndim + len(wanted)
    dims = {axis % ndim for axis in wanted}
    if 0 in dims:
        raise Refused(f"{_MIXES}: no dimension can go in front of the batch")
    sizes = iter(source.shape)
    return _reshaped(op, source, tuple(1 if dim in dims else next(sizes) for dim in range(1, ndim)))


def transpose(op: Operator, x: Operand) -> Signal:
    """Dimensions in another order; where the batch goes is noted, in the node it stays first."""
    source = anywhere(x)
    order = tuple(op.attributes.get("perm", range(source.ndim)[::-1]))
    kept = tuple(dimension(axis, source) for axis in order if axis != source.batch)
    if kept == tuple(range(1, source.ndim)):
        return replace(source, batch=order.index(source.batch))
    return replace(op.emit(Permute(op.name, (source.name,), (0, *kept))), batch=order.index(source.batch))


def slice_(
    op: Operator,
    x: Operand,
    starts: Operand | None = None,
    ends: Operand | None = None,
    axes: Operand | None = None,
    steps: Operand | None = None,
) -> Signal:
    """Elements `start, start + step, … < stop` along dimensions."""
    source = anywhere(x)
    first, last = op.integers("starts", starts) or (), op.integers("ends", ends) or ()
    along = op.integers("axes", axes) or tuple(range(len(first)))
    by = (1,) * len(first) if steps is None else whole_numbers(steps, "steps")
    for axis, start, stop, step in zip(along, first, last, by, strict=True):
        if axis % source.ndim == source.batch and (start, step) == (0, 1) and stop >= BATCH:
            continue  # the whole batch
        source = _part(op, source, dimension(axis, source), start, stop, step)
    return source


def _part(op: Operator, x: Signal, dim: int, start: int, stop: int, step: int = 1) -> Signal:
    if step < 1:
        raise Refused("takes elements in reverse")
    length = x.shape[dim - 1]
    first, last, _ = slice(start, stop, step).indices(length)
    if (first, last, step) == (0, length, 1):
        return x
    return replace(op.emit(Slice(op.name, (x.name,), dim, first, last, step)), batch=x.batch)


def split(op: Operator, x: Operand, sizes: Operand | None = None) -> tuple[Signal, ...]:
    """Consecutive pieces along an axis; equal ones, the last one smaller, unless sizes are given."""
    source = anywhere(x)
    dim = dimension(op.integer("axis", 0), source)
    total, lengths = source.shape[dim - 1], op.integers("split", sizes)
    if lengths is None:
        each = -(-total // op.results)
        lengths = tuple(min(each, total - i * each) for i in range(op.results))
    if sum(lengths) != total or min(lengths) < 1:
        raise Refused(f"splits {total} elements into {list(lengths)}")
    stops = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    return tuple(_part(op, source, dim, stop - n, stop) for stop, n in zip(stops, lengths, strict=True))


def gather(op: Operator, x: Operand, index: Operand) -> Signal:
    """Elements along an axis by constant places: one, which removes the dimension, or several."""
    if not isinstance(x, Signal):
        return op.emit(Embedding(op.name, (signal(index).name,), _table(op, weights(x))))
    dim, places = dimension(op.integer("axis", 0), x), weights(index)
    length = x.shape[dim - 1]
    wanted = [n % length for n in whole_numbers(places, "places") if -length <= n < length]
    if len(wanted) != places.numel() or not wanted or places.ndim > 1:
        raise Refused(f"gathers places {places.tolist()} of a dimension of {length}")
    if wanted == list(range(wanted[0], wanted[-1] + 1)):
        picked = _part(op, x, dim, wanted[0], wanted[-1] + 1)
    else:
        parts = tuple(_part(op, x, dim, n, n + 1).name for n in wanted)
        picked = op.emit(Concat(op.name, parts, dim))
    if places.ndim:
        return replace(picked, batch=x.batch)
    squeezed = op.emit(Reshape(f"{op.name}.squeeze", (picked.name,), x.shape[: dim - 1] + x.shape[dim:]))
    return replace(squeezed, batch=x.batch - (dim <= x.batch))


def _table(op: Operator, x: Tensor) -> Tensor:
    if x.ndim != 2 or op.integer("axis", 0) != 0:
        raise Refused("looks up by the input's values something other than rows of a table")
    return x


def concat(op: Operator, *parts: Operand) -> Signal:
    """Signals one behind the other, and constants (class tokens) among them."""
    first = signal(next(part for part in parts if isinstance(part, Signal)))
    dim = dimension(op.integer("axis", 0), first)
    sources = [signal(part) if isinstance(part, Signal) else _beside(op, part, first, dim) for part in parts]
    return op.emit(Concat(op.name, tuple(source.name for source in sources), dim))


def _beside(op: Operator, value: Tensor, x: Signal, dim: int) -> Signal:
    """A constant as a signal: an element of `x` times zero, plus the constant."""
    if value.ndim != x.ndim or value.shape[0] != 1:
        raise Refused(f"puts a constant of shape {list(value.shape)} beside a signal of {x.ndim} dimensions")
    element = _part(op, x, dim, 0, 1)
    return op.emit(ElementwiseAffine(f"{op.name}.constant", (element.name,), torch.zeros_like(value), value))


def pad(
    op: Operator, x: Operand, amounts: Operand | None = None, value: Operand | None = None, axes: Operand | None = None
) -> Signal:
    """A constant around the input."""
    source = signal(x)
    given = op.integers("pads", amounts) or ()
    along = op.integers("axes", axes) or tuple(range(source.ndim))
    begin, end = [0] * source.ndim, [0] * source.ndim
    for axis, before, behind in zip(along, given[: len(along)], given[len(along) :], strict=True):
        begin[axis], end[axis] = before, behind
    fill = op.real("value", 0.0) if value is None else number(value)
    if op.text("mode", "constant") != "constant" or not math.isfinite(fill):
        raise Refused(f"padding of mode {op.text('mode', 'constant')!r} with {fill} is not read; pad with a number")
    if begin[0] or end[0]:
        raise Refused(f"{_MIXES}: the batch cannot be padded")
    if not any(begin) and not any(end):
        return source
    return op.emit(Pad(op.name, (source.name,), torch_order(tuple(begin[1:]), tuple(end[1:])), fill))


def expand(op: Operator, x: Operand, shape: Operand) -> Signal:
    """The input repeated along dimensions of size one."""
    source, wanted = signal(x), whole_numbers(shape, "sizes")
    if len(wanted) > source.ndim:
        raise Refused(f"{_MIXES}: no dimension can go in front of the batch")
    full = (1,) * (source.ndim - len(wanted)) + wanted
    if full[0] not in (1, BATCH, op.batch):
        raise Refused(f"{_MIXES}: the batch cannot be repeated")
    target = broadcast(source.shape, full[1:])
    if target == source.shape:
        return source
    ones, zero = torch.ones(1, *target, dtype=op.dtype), torch.zeros((), dtype=op.dtype)
    return op.emit(ElementwiseAffine(op.name, (source.name,), ones, zero))


def depth_to_space(op: Operator, x: Operand) -> Signal:
    """Channels moved into blocks of the image (pixel shuffle)."""
    source, block = signal(x), op.integer("blocksize", 1)
    channels, height, width = source.shape
    depth = channels // block**2
    columns_first = op.text("mode", "DCR") == "CRD"
    parts = (depth, block, block) if columns_first else (block, block, depth)
    order = (0, 1, 4, 2, 5, 3) if columns_first else (0, 3, 4, 1, 5, 2)
    apart = op.emit(Reshape(f"{op.name}.blocks", (source.name,), (*parts, height, width)))
    moved = op.emit(Permute(f"{op.name}.permute", (apart.name,), order))
    return op.emit(Reshape(op.name, (moved.name,), (depth, height * block, width * block)))


def space_to_depth(op: Operator, x: Operand) -> Signal:
    """Blocks of the image moved into channels."""
    source, block = signal(x), op.integer("blocksize", 1)
    channels, height, width = source.shape
    sizes = (channels, height // block, block, width // block, block)
    apart = op.emit(Reshape(f"{op.name}.blocks", (source.name,), sizes))
    moved = op.emit(Permute(f"{op.name}.permute", (apart.name,), (0, 3, 5, 1, 2, 4)))
    return op.emit(Reshape(op.name, (moved.name,), (channels * block**2, height // block, width // block)))


def unchanged(op: Operator, x: Operand, *_: object) -> Signal:
    """The input itself."""
    return signal(x)


def cast(op: Operator, x: Operand) -> Signal:
    """Another float type, which changes nothing but the rounding."""
    if op.integer("to", 0) not in (1, 10, 11, 16):  # FLOAT, FLOAT16, DOUBLE, BFLOAT16
        raise Refused("turns real numbers into others; only casts between float types are read")
    return signal(x)


def dropout(op: Operator, x: Operand, ratio: Operand | None = None, training: Operand | None = None) -> Signal:
    """Nothing, once training is over."""
    if training is not None and bool(weights(training).any()):
        raise Refused("is in training mode; export the network after model.eval()")
    return signal(x)


SHAPING: dict[str, Translator] = {
    "Shape": shape_,
    "Size": size,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Slice": slice_,
    "Split": split,
    "Gather": gather,
    "Concat": concat,
    "Pad": pad,
    "Expand": expand,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Identity": unchanged,
    "Cast": cast,
    "Dropout": dropout,
}
