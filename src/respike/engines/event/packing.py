"""Maps as the kernels read them: weights in blocks of output channels, the scale of the spikes multiplied in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.memo import Memo
from respike.engines.event.values import Layout, Part, Value
from respike.ir import Conv, Linear

BLOCK_BYTES = 256
"""Of one row of weights of a block: what stays in registers while spikes are added up."""
DENSE = 0.35
"""Spikes per neuron and step from which on a dense convolution is faster. A dense matrix product never is."""


@dataclass(frozen=True, eq=False)
class Work:
    """What a kernel is given: parts, a rest `[1 or steps, 1 or batch, 1 or pixels, channels]`, the block's size."""

    parts: list[_native.Part]
    rest: Tensor | None
    block: int


def channels_last(value: Value) -> bool:
    """Whether the kernels should take the last dimension for channels: behind a linear map over several pixels."""
    return len(value.shape) > 1 and any(isinstance(part.map, Linear) for part in value.parts)


def work(value: Value, layout: Layout, dtype: torch.dtype, memo: Memo) -> Work:
    """A value for the kernels. Parts that are too active, or that the kernels cannot take, are made dense."""
    rest = value.rest
    native = []
    for part in value.parts:
        if _too_active(part) or not _fits(part, layout, memo):
            values = part.dense()
            rest = values if rest is None else rest + values
        else:
            native.append(part)
    channels = layout.sizes[2]
    block = _block(channels, native, dtype)
    parts = [_packed(part, layout, block, memo) for part in native]
    return Work(parts, None if rest is None else _flat_rest(rest.to(dtype), layout), block)


def dense(value: Value, steps: int, batch: int, dtype: torch.dtype, memo: Memo) -> Tensor:
    """All of a value, `[1 or steps, batch, *shape]`."""
    if not value.parts:
        rest = torch.zeros(1, 1, *value.shape, dtype=dtype) if value.rest is None else value.whole_rest()
        assert rest is not None
        return rest.expand(-1, batch, *value.shape)
    layout = Layout(value.shape, channels_last(value))
    given = work(value, layout, dtype, memo)
    rows, columns, channels = layout.sizes
    out = torch.empty(steps, batch, rows * columns * channels, dtype=dtype)
    _native.currents(
        given.parts, given.rest, steps, (batch, rows, columns, channels), given.block, out, torch.get_num_threads()
    )
    return layout.shaped(out)


def _too_active(part: Part) -> bool:
    match part.map:
        case Conv(groups=1):
            return part.events.activity > DENSE
        case Linear():
            return len(part.events.shape) > 1 and part.events.activity > DENSE
        case _:
            return False


def _fits(part: Part, layout: Layout, memo: Memo) -> bool:
    """Whether the kernels can take a part."""
    _, columns, channels = Layout(part.events.shape, layout.channels_last).sizes
    if columns > _native.MOST_COLUMNS or channels > _native.MOST_CHANNELS:
        return False
    match part.map:
        case None:
            return _scale(part, layout, memo) is not None
        case Linear():
            return (layout.channels_last or len(layout.shape) == 1) and _scale(part, layout, memo) is not None
        case Conv():
            rows, _ = _kernel(part.map)
            known = not layout.channels_last and part.map.weight.ndim <= 4
            return known and rows <= _native.MOST_KERNEL_ROWS and _scale(part, layout, memo) is not None


def _scale(part: Part, layout: Layout, memo: Memo) -> Tensor | None:
    """The scale of the incoming spikes, one per channel, where it is the same all over a channel."""
    source = Layout(part.events.shape, layout.channels_last)
    key = ("scale", part.events.key, layout.channels_last)
    return memo.once(key, lambda: source.per_channel(part.events.scale))


def _block(channels: int, parts: Sequence[Part], dtype: torch.dtype) -> int:
    """Channels of a block. Where a spike reaches only its own group, blocks would be searched in vain: one block."""
    grouped = parts and all(part.map is None or (isinstance(part.map, Conv) and part.map.groups > 1) for part in parts)
    largest = channels if grouped else BLOCK_BYTES // dtype.itemsize
    blocks = -(-channels // largest)
    each = -(-channels // blocks)
    return -(-each // _native.PADDING) * _native.PADDING


def _packed(part: Part, layout: Layout, block: int, memo: Memo) -> _native.Part:
    source = Layout(part.events.shape, layout.channels_last)
    scale = _scale(part, layout, memo)
    assert scale is not None
    given, key = part.map, ("weight", part.key, layout.channels_last, block)
    words, shared = source.flat(part.events.words), part.events.shared
    one, zero = (1, 1), (0, 0)
    match given:
        case None:
            return _native.Part(words, shared, source.sizes, scale, one, one, zero, one, len(scale))
        case Linear():
            weight = memo.once(key, lambda: _blocks(given.weight.T * scale.unsqueeze(1), block))
            return _native.Part(words, shared, source.sizes, weight, one, one, zero, one, 1)
        case Conv():
            weight = memo.once(key, lambda: _conv_weight(given, scale, block))
            kernel = _kernel(given)
            stride, dilation, padding = _pair(given.stride, 1), _pair(given.dilation, 1), _pair(given.padding, 0)
            return _native.Part(words, shared, source.sizes, weight, kernel, stride, padding, dilation, given.groups)


def _conv_weight(conv: Conv, scale: Tensor, block: int) -> Tensor:
    """`[block][in][ky][kx][channel]`, with groups `[in][ky][kx][out / groups]`, ordered as in `native/kernels.hpp`."""
    outputs, per_group = conv.weight.shape[:2]
    weight = conv.weight.reshape(conv.groups, outputs // conv.groups, per_group, *_kernel(conv))
    columns, stride, dilation = weight.shape[-1], conv.stride[-1], conv.dilation[-1]
    phases = stride if conv.groups == 1 and dilation == 1 else 1
    order = [kx for phase in range(phases) for kx in reversed(range(phase, columns, phases))]
    weight = weight[..., order].permute(0, 2, 3, 4, 1).flatten(0, 1) * scale.reshape(-1, 1, 1, 1)
    return weight.contiguous().detach() if conv.groups > 1 else _blocks(weight, block)


def _blocks(weight: Tensor, block: int) -> Tensor:
    """`[in, …, out]` as `[blocks, in, …, block]`, with zeros behind the last channel."""
    blocks = -(-weight.shape[-1] // block)
    padded = F.pad(weight.detach(), (0, blocks * block - weight.shape[-1]))
    return padded.reshape(*padded.shape[:-1], blocks, block).movedim(-2, 0).contiguous()


def _kernel(conv: Conv) -> tuple[int, int]:
    """Rows and columns of the kernel."""
    return _pair(tuple(conv.weight.shape[2:]), 1)


def _pair(numbers: tuple[int, ...], filling: int) -> tuple[int, int]:
    return (filling, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def _flat_rest(rest: Tensor, layout: Layout) -> Tensor:
    """`[1 or steps, 1 or batch, 1 or pixels, channels]`, contiguous."""
    channel = len(layout.shape) - 1 if layout.channels_last else 0
    pixels = [size for d, size in enumerate(rest.shape[2:]) if d != channel]
    if all(size == 1 for size in pixels):
        return rest.reshape(*rest.shape[:2], 1, rest.shape[2 + channel]).expand(-1, -1, 1, layout.sizes[2]).contiguous()
    whole = layout.flat(rest.expand(*rest.shape[:2], *layout.shape))
    return whole.reshape(*rest.shape[:2], whole.shape[-1] // layout.sizes[2], layout.sizes[2])
