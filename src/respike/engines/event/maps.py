"""What each affine node makes of a value: spikes stay spikes as long as they can, constants stay constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import assert_never

import torch
from torch import Tensor

from respike.engines.event.calls import all_threads, lent, linear, threads
from respike.engines.event.memo import Once
from respike.engines.event.packing import dense_matrix
from respike.engines.event.pooling import composed, pooled
from respike.engines.event.values import Events, Layout, Part, Value
from respike.engines.walk import folded
from respike.ir import (
    AdaptiveAvgPool,
    Add,
    Affine,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    ElementwiseAffine,
    FixedLinear,
    Linear,
    Pad,
    Permute,
    Reshape,
    Slice,
    apply,
    batch_norm_scale,
    batch_norm_shift,
    channelwise,
)

MOST_PARTS = 8
"""So many parts may be added up as spikes; chains of additions double them, so more of them are made dense."""


def through(node: Affine, inputs: Sequence[Value], shape: tuple[int, ...], memo: Once, *, bias: bool) -> Value:
    """The value of an affine node, of the per-sample `shape`."""
    (value, *_) = inputs
    match node:
        case Linear() | Conv():
            return _weighted(node, value, shape, memo, bias)
        case BatchNorm():
            scale, shift = batch_norm_scale(node), batch_norm_shift(node)
            dimensions = 1 + len(shape)
            return _scaled(
                node, value, shape, memo, channelwise(scale, dimensions), channelwise(shift, dimensions), bias
            )
        case ElementwiseAffine():
            return _scaled(node, value, shape, memo, _batched(node.scale, shape), _batched(node.shift, shape), bias)
        case AvgPool() | AdaptiveAvgPool():
            return _averaged(node, value, shape, memo)
        case Add():
            return _added(inputs, shape)
        case Concat():
            return _concatenated(node, inputs, shape, bias)
        case Reshape() | Permute() | Slice() | Pad():
            return _moved(node, value, shape, bias)
        case ConvTranspose():
            return _dense(node, value, shape, node.weight.dtype, bias)
        case FixedLinear():
            return _dense(node, value, shape, node.matrix.dtype, bias)
        case _:
            assert_never(node)


def _dense(node: Affine, value: Value, shape: tuple[int, ...], dtype: torch.dtype, bias: bool) -> Value:
    """Nodes that have no compiled form."""
    rest = value.settled(maps_only=False).whole_rest()
    if rest is None:
        rest = torch.zeros(1, 1, *value.shape, dtype=dtype)
    return Value(shape, (), _folded(node, [rest], bias=bias))


def _folded(node: Affine, values: list[Tensor], *, bias: bool) -> Tensor:
    """`folded`, on all threads where values change from step to step."""
    if max(map(len, values)) == 1:
        return folded(node, values, bias=bias)
    with all_threads():
        return folded(node, values, bias=bias)


def _weighted(node: Linear | Conv, value: Value, shape: tuple[int, ...], memo: Once, bias: bool) -> Value:
    value = value.settled(maps_only=True)
    bare, constant = memo.once(("weighted", node.name), lambda: (replace(node, bias=None), _constant(node, shape)))
    parts = tuple(Part(part.events, bare, (*part.key, node.name)) for part in value.parts)
    rest = value.whole_rest()
    if rest is None:
        return Value(shape, parts, constant if bias else None)
    if isinstance(node, Linear):
        return Value(shape, parts, _product(node, rest, memo, bias))
    return Value(shape, parts, _folded(memo.once(("dense", node.name), partial(_pixelwise, node)), [rest], bias=bias))


def _pixelwise(node: Conv) -> Conv:
    """The map with its weights pixel by pixel in memory: so are then the outputs, as the kernels read them."""
    weight = node.weight.detach()
    if weight.ndim != 4 or weight.dtype != torch.float32:  # for others PyTorch has no such kernel
        return node
    _, inputs, rows, columns = weight.shape
    strides = (rows * columns * inputs, 1, columns * inputs, inputs)  # as `channels_last` has them, for one input, too
    return replace(node, weight=weight.new_empty_strided(weight.shape, strides).copy_(weight))


def _product(node: Linear, rest: Tensor, memo: Once, bias: bool) -> Tensor:
    """A matrix on what is dense: inputs that are 0, as the background of a picture, are passed over."""
    weight = memo.once(("dense", node.name), lambda: dense_matrix(node.weight.T))
    offset = node.bias.detach() if bias and node.bias is not None else None
    out = rest.new_empty(*rest.shape[:-1], len(node.weight))
    linear(
        lent(rest.flatten(0, -2).contiguous()),
        lent(weight),
        None if offset is None else lent(offset),
        lent(out.flatten(0, -2)),
        threads(),
    )
    return out


def _constant(node: Linear | Conv, shape: tuple[int, ...]) -> Tensor | None:
    """The bias as a rest."""
    if node.bias is None:
        return None
    pixels = (1,) * (len(shape) - 1)
    return node.bias.reshape(1, 1, *((*pixels, -1) if isinstance(node, Linear) else (-1, *pixels)))


def _scaled(
    node: BatchNorm | ElementwiseAffine,
    value: Value,
    shape: tuple[int, ...],
    memo: Once,
    scale: Tensor,
    shift: Tensor,
    bias: bool,
) -> Value:
    """`scale · x + shift`, both `[1, …]`: spikes deliver more or less, maps before get other weights."""
    if value.shape != shape:
        value = value.settled(maps_only=False)
    result = Value(shape)
    for part in value.parts:
        key = (*part.key, node.name)
        if part.map is None:
            events = replace(part.events, scale=part.events.scale * scale, key=key)
            result = replace(result, parts=(*result.parts, Part(events, None, key)))
            continue
        channels = Layout(shape, isinstance(part.map, Linear)).per_channel(scale)
        if channels is None:
            result = result.plus(part.dense() * scale)
            continue
        after = memo.once(key, partial(_rescaled, part.map, channels))
        result = replace(result, parts=(*result.parts, Part(part.events, after, key)))
    if value.rest is not None:
        result = result.plus(value.rest * scale)
    return result.plus(shift.unsqueeze(0)) if bias else result


def _rescaled(map: Linear | Conv, scale: Tensor) -> Linear | Conv:
    """The map with each output channel multiplied."""
    return replace(map, weight=map.weight * scale.reshape(-1, *(1,) * (map.weight.ndim - 1)))


def _averaged(node: AvgPool | AdaptiveAvgPool, value: Value, shape: tuple[int, ...], memo: Once) -> Value:
    result = Value(shape)
    rest = value.whole_rest()
    for part in value.parts:
        key = (*part.key, node.name)
        match part.map:
            case None:
                events = pooled(node, part.events, shape, memo)
                after = None if events is None else Part(events, None, key)
            case Conv() as conv:
                joined = memo.once(key, partial(composed, node, conv, value.shape))
                after = None if joined is None else Part(part.events, joined, key)
            case _:
                after = None
        if after is None:
            values = part.dense()
            rest = values if rest is None else rest + values
        else:
            result = replace(result, parts=(*result.parts, after))
    return result if rest is None else result.plus(_folded(node, [rest], bias=True))


def _added(inputs: Sequence[Value], shape: tuple[int, ...]) -> Value:
    result = Value(shape)
    for value in inputs:
        whole = value if value.shape == shape else value.settled(maps_only=False)
        result = replace(result, parts=(*result.parts, *whole.parts)).plus(whole.rest)
    return result if len(result.parts) <= MOST_PARTS else result.settled(maps_only=False)


def _moved(node: Reshape | Permute | Slice | Pad, value: Value, shape: tuple[int, ...], bias: bool) -> Value:
    """Nodes that only move elements: they move words."""
    value = value.settled(maps_only=True)
    parts = []
    for part in value.parts:
        events = part.events
        words = _on_words(node, [events.words])
        key = (*part.key, node.name)
        if events.scale.numel() == 1:
            scale = events.scale.reshape((1,) * (1 + len(shape)))
        else:
            scale = apply(node, [events.scale.expand(1, *events.shape)], bias=False)
        parts.append(Part(Events(words, scale, events.steps, key), None, key))
    rest = value.whole_rest()
    if rest is None and isinstance(node, Pad) and node.value and bias:
        rest = torch.zeros(1, 1, *value.shape, dtype=_dtype(value))
    return Value(shape, tuple(parts), None if rest is None else _folded(node, [rest], bias=bias))


def _concatenated(node: Concat, inputs: Sequence[Value], shape: tuple[int, ...], bias: bool) -> Value:
    """Spikes stay spikes where every input is a population's and nothing else."""
    values = [value.settled(maps_only=True) for value in inputs]
    if all(len(value.parts) == 1 and value.rest is None for value in values):
        events = [value.parts[0].events for value in values]
        signs, bits = (max(e.planes[d] for e in events) for d in (0, 1))
        words = _on_words(node, [_with_planes(e.words, signs, bits) for e in events])
        scale = torch.cat([e.scale.expand(1, *e.shape) for e in events], node.dim)
        key = (*(name for e in events for name in e.key), node.name)
        return Value(shape, (Part(Events(words, scale, events[0].steps, key), None, key),))
    rests = [value.settled(maps_only=False).whole_rest() for value in values]
    given = next((rest for rest in rests if rest is not None), None)
    if given is None:
        return Value(shape)
    batch = max(rest.shape[1] for rest in rests if rest is not None)
    filled = [
        given.new_zeros(1, batch, *value.shape) if rest is None else rest
        for rest, value in zip(rests, values, strict=True)
    ]
    return Value(shape, (), _folded(node, filled, bias=bias))


def _on_words(node: Reshape | Permute | Slice | Pad | Concat, words: list[Tensor]) -> Tensor:
    moved = apply(node, [word.flatten(0, 2) for word in words], bias=False)
    return moved.reshape(*words[0].shape[:3], *moved.shape[1:])


def _with_planes(words: Tensor, signs: int, bits: int) -> Tensor:
    if words.shape[:2] == (signs, bits):
        return words
    result = words.new_zeros(signs, bits, *words.shape[2:])
    result[: words.shape[0], : words.shape[1]] = words
    return result


def _batched(quantity: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What broadcasts against `[batch, *shape]`, with all its dimensions."""
    return quantity.reshape((1,) * (1 + len(shape) - quantity.ndim) + tuple(quantity.shape))


def _dtype(value: Value) -> torch.dtype:
    return value.parts[0].events.scale.dtype if value.parts else torch.get_default_dtype()
