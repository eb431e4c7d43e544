"""What only moves elements, what training alone changes, and constants."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from respike.frontends.semantics import matrices, shaping
from respike.frontends.semantics.advice import MASKS
from respike.frontends.semantics.call import (
    MIXES,
    Call,
    Operand,
    Refused,
    Result,
    Signal,
    Translator,
    any_numbers,
    broadcast,
    weights,
)
from respike.frontends.semantics.matrices import check_size
from respike.frontends.semantics.meaning import means
from respike.frontends.torch.call import UNUSED, Ints, TorchCall, several
from respike.frontends.torch.operators.matrices import expand


def getitem(call: Call, items: Sequence[Signal | Tensor], index: int) -> Result:
    """One of several results."""
    if index >= len(items) or items[index] is UNUSED:
        raise Refused("uses a second result (the indices of a maximum?); only the values can be converted")
    return items[index]


@means(shaping.reshape)
def reshape(call: TorchCall, x: Operand, *_: object, **__: object) -> Signal:
    """The same elements in the shape that the graph says (view, flatten, squeeze, unsqueeze)."""
    return shaping.relayout(call, x, call.layout)


@means(shaping.slice_)
def slice_(
    call: TorchCall, x: Operand, dim: int = 0, start: int | None = None, stop: int | None = None, step: int = 1
) -> Signal:
    """Elements `start, start + step, … < stop` along a dimension."""
    source = any_numbers(x)
    if dim % source.ndim == source.layout.batch and call.layout.shape == source.shape and not start:
        return source  # x[:], which is part of x[:, 1:]; that the batch stays whole is checked for every operator
    return shaping.slice_(call, source, dim, start, stop, step)


@means(shaping.slice_)
def narrow(call: TorchCall, x: Operand, dim: int, start: int, length: int) -> Signal:
    """`length` elements from `start` on."""
    return slice_(call, x, dim, start, start + length)


@means(shaping.written)
def slice_scatter(
    call: TorchCall,
    x: Operand,
    part: Operand,
    dim: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> Signal | Tensor:
    """A slice written over, as `x[:, 1:3] = part` does."""
    size = call.meta.shape[dim]
    if step != 1:
        raise Refused("writes to elements that are not next to each other; choose by a fixed mask with torch.where")
    if not start and stop in (None, sys.maxsize):
        return part if isinstance(part, Signal) else weights(part)  # x[:], which is part of x[:, 1:3]
    if not isinstance(size, int):
        raise Refused(MIXES)
    first, last, _ = slice(start, stop).indices(size)
    return shaping.written(call, x, part, dim, first, last)


@means(shaping.written)
def select_scatter(call: TorchCall, x: Operand, part: Operand, dim: int, index: int) -> Signal:
    """One element along a dimension written over, as `x[:, 0] = part` does."""
    size = call.meta.shape[dim]
    if not isinstance(size, int):
        raise Refused(MIXES)
    row = shaping.unsqueeze(call, part, (dim,)) if isinstance(part, Signal) else weights(part).unsqueeze(dim)
    return shaping.written(call, x, row, dim, index % size, index % size + 1)


@means(matrices.expand)
def copy(call: TorchCall, x: Operand, source: Operand, *_: object, **__: object) -> Signal | Tensor:
    """What is written to a part, in that part's shape."""
    if isinstance(source, Signal):
        return expand(call, source)
    part = any_numbers(x)
    return broadcast(call, source, part).expand(1, *part.shape)


@means(shaping.roll)
def roll(call: Call, x: Operand, shifts: int | Ints, dims: int | Ints = ()) -> Signal:
    """The last elements of a dimension put in front of the others."""
    if dims == ():
        raise Refused("rolls the flattened batch; name the dimensions")
    return shaping.roll(call, x, several(shifts), several(dims))


@means(shaping.unchanged)
def unchanged(call: Call, x: Operand, *_: object, **__: object) -> Signal:
    """The input itself."""
    return shaping.unchanged(call, x)


@means(shaping.unchanged)
def cast(call: TorchCall, x: Operand, *_: object, **__: object) -> Signal:
    """A cast to another type of numbers; of real numbers to whole ones it would cut off, to truth values compare."""
    if call.meta.dtype == torch.bool:
        raise Refused(MASKS)
    if isinstance(x, Signal) and not x.is_index and not call.meta.is_floating_point():
        raise Refused(
            "turns real numbers into whole ones, which no neuron does; give the network whole numbers if it looks them "
            "up in a table, or use torch.floor behind a clamp at 0"
        )
    return shaping.unchanged(call, x)


@means(shaping.unchanged)
def dropout(call: Call, x: Operand, rate: float, training: bool) -> Signal:
    """Nothing, unless it was told to run as in training."""
    if training and rate:
        raise Refused(
            "is random: it runs as in training; pass F.dropout(..., training=self.training), or use nn.Dropout"
        )
    return shaping.unchanged(call, x)


@means(shaping.unchanged)
def native_dropout(call: Call, x: Operand, rate: float, training: bool | None = None) -> tuple[Signal, ...]:
    """The same in decomposed graphs."""
    return (dropout(call, x, rate, bool(training)),)


def filled(value: float | None = None) -> Callable[..., Tensor]:
    """A constant for one sample in the shape that the graph says: `zeros_like`, `new_ones`, `full_like`."""

    @means(shaping.filled_like)
    def translate(call: TorchCall, x: Operand, *given: Any, **_: object) -> Tensor:
        shape = [n if type(n) is int else 1 for n in call.meta.shape]
        check_size(math.prod(shape))
        return torch.full(shape, given[-1] if value is None else value, dtype=call.dtype, device=call.device)

    return translate


aten = torch.ops.aten

SHAPING: dict[object, Translator] = {
    operator.getitem: getitem,
    **dict.fromkeys((aten.view, aten.reshape, aten._unsafe_view, aten.flatten, aten.unflatten), reshape),
    **dict.fromkeys((aten.squeeze, aten.unsqueeze), reshape),
    aten.permute: shaping.permute,
    **dict.fromkeys((aten.transpose, aten.t), shaping.transpose),
    aten.slice: slice_,
    aten.narrow: narrow,
    aten.select: shaping.select,
    aten.diagonal: shaping.diagonal,
    aten.slice_scatter: slice_scatter,
    aten.select_scatter: select_scatter,
    **dict.fromkeys((aten.copy, aten.fill), copy),
    **dict.fromkeys((aten.split, aten.split_with_sizes), shaping.split),
    aten.chunk: shaping.chunk,
    aten.tensor_split: shaping.tensor_split,
    aten.unbind: shaping.unbind,
    aten.cat: shaping.concat,
    aten.stack: shaping.stack,
    aten.roll: roll,
    **dict.fromkeys((aten.repeat, aten.tile), shaping.repeat),
    aten.pixel_shuffle: shaping.pixel_shuffle,
    aten.pixel_unshuffle: shaping.pixel_unshuffle,
    aten.channel_shuffle: shaping.channel_shuffle,
    **dict.fromkeys((aten.clone, aten.detach, aten.alias, aten.contiguous), unchanged),
    **dict.fromkeys((aten._to_copy, aten.to), cast),
    **dict.fromkeys((aten.dropout, aten.feature_dropout, aten.alpha_dropout), dropout),
    aten.feature_alpha_dropout: dropout,
    aten.native_dropout: native_dropout,
    **dict.fromkeys((aten.zeros_like, aten.new_zeros), filled(0.0)),
    **dict.fromkeys((aten.ones_like, aten.new_ones), filled(1.0)),
    **dict.fromkeys((aten.full_like, aten.new_full), filled()),
}
