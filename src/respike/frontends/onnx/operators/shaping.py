"""Operators that only move elements, and those that change nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from respike.frontends.onnx.call import BATCH, Operator, elements, whole_numbers
from respike.frontends.semantics import Refused, Signal, layers, matrices, shaping
from respike.frontends.semantics.call import MIXES, Operand, Translator, any_numbers, number, weights
from respike.frontends.semantics.meaning import means

_FLOATS = (1, 10, 11, 16)
"""ONNX's numbers for FLOAT, FLOAT16, DOUBLE and BFLOAT16."""
_BOOL = 9
_NARROW = (2, 3, 4, 5)
"""ONNX's numbers for UINT8, INT8, UINT16 and INT16."""
_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@means(shaping.sizes)
def shape_(op: Operator, x: Operand) -> Tensor:
    """The sizes of a signal, the batch among them."""
    return shaping.sizes(any_numbers(x), BATCH)[op.integer("start", 0) : op.attributes.get("end")]


@means(shaping.sizes)
def size(op: Operator, x: Operand) -> Tensor:
    """The number of elements of a signal."""
    return shaping.sizes(any_numbers(x), BATCH).prod()


@means(shaping.reshape)
def reshape(op: Operator, x: Operand, shape: Operand) -> Signal:
    """The same elements of each sample in another shape; `-1` is what is left, `0` what was there."""
    source, wanted = any_numbers(x), list(whole_numbers(shape, "sizes"))
    if not op.integer("allowzero", 0):
        given = (BATCH, *source.shape)
        wanted = [given[i] if n == 0 and i < len(given) else n for i, n in enumerate(wanted)]
    count, rest = elements(source), wanted[1:]
    if rest.count(-1) == 1 and wanted[0] in (BATCH, op.batch):
        known = -math.prod(rest)
        rest[rest.index(-1)] = count // known if known else 0
    if not wanted or wanted[0] not in (BATCH, op.batch, -1) or min(rest, default=1) < 0 or math.prod(rest) != count:
        raise Refused(f"{MIXES}: {[*source.shape]} for each sample cannot become {_spoken(wanted)}")
    return shaping.reshape(op, source, rest)


def _spoken(sizes: list[int]) -> str:
    return "[" + ", ".join("batch" if n == BATCH else str(n) for n in sizes) + "]"


@means(shaping.reshape)
def flatten(op: Operator, x: Operand) -> Signal:
    """All dimensions from `axis` on as one."""
    source = any_numbers(x)
    axis = op.integer("axis", 1)
    front = axis + source.ndim if axis < 0 else axis
    if front == 0 or math.prod(source.shape[: front - 1]) != 1:
        raise Refused(f"{MIXES}: flatten from axis 1")
    return shaping.reshape(op, source, (elements(source),))


@means(shaping.squeeze)
def squeeze(op: Operator, x: Operand, axes: Operand | None = None) -> Signal:
    """Without dimensions of size one."""
    return shaping.squeeze(op, x, op.integers("axes", axes))


@means(shaping.unsqueeze)
def unsqueeze(op: Operator, x: Operand, axes: Operand | None = None) -> Signal:
    """With new dimensions of size one."""
    return shaping.unsqueeze(op, x, op.integers("axes", axes) or ())


@means(shaping.permute)
def transpose(op: Operator, x: Operand) -> Signal:
    """Dimensions in another order, the opposite one if none is given."""
    source = any_numbers(x)
    return shaping.permute(op, source, tuple(op.attributes.get("perm", range(source.ndim)[::-1])))


@means(shaping.slice_)
def slice_(
    op: Operator,
    x: Operand,
    starts: Operand | None = None,
    ends: Operand | None = None,
    axes: Operand | None = None,
    steps: Operand | None = None,
) -> Signal:
    """Elements `start, start + step, … < stop` along dimensions."""
    source = any_numbers(x)
    first, last = op.integers("starts", starts) or (), op.integers("ends", ends) or ()
    along = op.integers("axes", axes) or tuple(range(len(first)))
    by = (1,) * len(first) if steps is None else whole_numbers(steps, "steps")
    for axis, start, stop, step in zip(along, first, last, by, strict=True):
        if axis % source.ndim == source.layout.batch and (start, step) == (0, 1) and stop >= BATCH:
            continue  # the whole batch
        source = shaping.slice_(op, source, axis, start, stop, step)
    return source


@means(shaping.split)
def split(op: Operator, x: Operand, sizes: Operand | None = None) -> tuple[Signal, ...]:
    """Consecutive pieces along an axis; equal ones, the last one smaller, unless sizes are given."""
    source, axis = any_numbers(x), op.integer("axis", 0)
    lengths = op.integers("split", sizes)
    if lengths is None:
        return shaping.chunk(op, source, op.integer("num_outputs", op.results), axis)
    return shaping.split(op, source, lengths, axis)


@means(shaping.gather, shaping.select, layers.embedding)
def gather(op: Operator, x: Operand, index: Operand) -> Signal:
    """Elements along an axis by constant places: one, which removes the dimension, or several."""
    if not isinstance(x, Signal):
        if op.integer("axis", 0) != 0:
            raise Refused("looks up by the input's values something other than rows of a table")
        return layers.embedding(op, weights(x), index)
    axis, places = op.integer("axis", 0), weights(index)
    if places.ndim > 1:
        raise Refused(f"gathers places by a table of shape {list(places.shape)}; gather by a list, then reshape")
    listed = whole_numbers(places, "places")
    return shaping.gather(op, x, axis, listed) if places.ndim else shaping.select(op, x, axis, _place(x, axis, *listed))


def _place(x: Signal, axis: int, index: int) -> int:
    length = x.layout.size(axis)
    if not -length <= index < length:
        raise Refused(f"gathers place {index} of a dimension of {length}")
    return index


@means(shaping.concat)
def concat(op: Operator, *parts: Operand) -> Signal:
    """Signals one behind the other, and constants (class tokens) among them."""
    return shaping.concat(op, parts, op.integer("axis", 0))


@means(matrices.pad)
def pad(
    op: Operator, x: Operand, amounts: Operand | None = None, value: Operand | None = None, axes: Operand | None = None
) -> Signal:
    """A constant around the input, or its own elements."""
    source = any_numbers(x)
    given = op.integers("pads", amounts) or ()
    along = op.integers("axes", axes) or tuple(range(source.ndim))
    pairs = zip(given[: len(along)], given[len(along) :], strict=True)
    sides = dict(zip((axis % source.ndim for axis in along), pairs, strict=True))
    mode = op.text("mode", "constant")
    if mode not in _PAD_MODES:
        raise Refused(f"pads by {mode!r}, which is not read; use one of {', '.join(_PAD_MODES)}")
    fill = op.real("value", 0.0) if value is None else number(value)
    last_first = [n for dim in reversed(range(source.ndim)) for n in sides.get(dim, (0, 0))]
    return matrices.pad(op, source, last_first, _PAD_MODES[mode], fill)


@means(matrices.expand)
def expand(op: Operator, x: Operand, shape: Operand) -> Signal:
    """The input repeated along dimensions of size one."""
    source, wanted = any_numbers(x), whole_numbers(shape, "sizes")
    if len(wanted) > source.ndim or not source.layout.is_plain:
        raise Refused(f"{MIXES}: no dimension can go in front of the batch")
    full = (1,) * (source.ndim - len(wanted)) + wanted
    if full[0] not in (1, BATCH, op.batch):
        raise Refused(f"{MIXES}: the batch cannot be repeated")
    return matrices.expand(op, source, torch.broadcast_shapes(source.shape, full[1:]))  # type: ignore[no-untyped-call]


@means(shaping.repeat)
def tile(op: Operator, x: Operand, times: Operand) -> Signal:
    """The whole signal so and so often along each dimension."""
    return shaping.repeat(op, x, whole_numbers(times, "repeats"))


@means(matrices.cumulative_sum)
def cumulative_sum(op: Operator, x: Operand, axis: Operand) -> Signal:
    """The sum of all elements so far along an axis."""
    backwards, without_itself = bool(op.integer("reverse", 0)), bool(op.integer("exclusive", 0))
    return matrices.cumulative_sum(
        op, x, whole_numbers(axis, "axis")[0], backwards=backwards, without_itself=without_itself
    )


@means(shaping.pixel_shuffle)
def depth_to_space(op: Operator, x: Operand) -> Signal:
    """Channels moved into blocks of the image (pixel shuffle)."""
    return shaping.pixel_shuffle(op, x, op.integer("blocksize", 1), columns_first=_columns_first(op))


@means(shaping.pixel_unshuffle)
def space_to_depth(op: Operator, x: Operand) -> Signal:
    """Blocks of the image moved into channels."""
    return shaping.pixel_unshuffle(op, x, op.integer("blocksize", 1), columns_first=_columns_first(op))


def _columns_first(op: Operator) -> bool:
    mode = op.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise Refused(f"moves blocks by {mode!r}, which is not read; DCR and CRD are")
    return mode == "CRD"


@means(shaping.unchanged)
def cast(op: Operator, x: Operand) -> Signal:
    """Another type of real numbers, which changes nothing but the rounding; whole numbers may become real ones."""
    source, to = any_numbers(x), op.integer("to", 0)
    if to not in _FLOATS and (to == _BOOL or not source.is_index):
        raise Refused("turns real numbers into others; only casts to float types are read")
    if to in _NARROW:
        raise Refused("casts whole numbers to a type that may not hold them; cast them to int64")
    return replace(source, is_index=to not in _FLOATS)


@means(shaping.unchanged)
def dropout(op: Operator, x: Operand, ratio: Operand | None = None, training: Operand | None = None) -> Signal:
    """Nothing, once training is over."""
    if training is not None and bool(weights(training).any()):
        raise Refused("is in training mode; export the network after model.eval()")
    return shaping.unchanged(op, x)


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
    "Tile": tile,
    "CumSum": cumulative_sum,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Identity": shaping.unchanged,
    "Cast": cast,
    "Dropout": dropout,
}
