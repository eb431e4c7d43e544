"""Maps as the kernels read them: weights in blocks of output channels, the scale of the spikes multiplied in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.calls import currents, lent, threads
from respike.engines.event.memo import Once
from respike.engines.event.values import Layout, Part, Value
from respike.ir import Conv, Linear

BLOCK_BYTES = 256
"""Of one row of weights of a block: what stays in registers while spikes are added up."""
GATHERED_CHANNELS = (16, 32, 64)
"""Of what small kernels read: their spikes are added up output by output, as `native/gather.hpp` does it."""


@dataclass(frozen=True, eq=False)
class Work:
    """What a kernel is given: parts, a rest `[1 or steps, 1 or batch, 1 or pixels, channels]`, the block's size."""

    parts: list[tuple[Any, _native.Shared, _native.Map]]
    rest: Any
    block: int


@dataclass(frozen=True, eq=False)
class _Source:
    """What is known of a part without its spikes.

    Args:
        layout: how its spikes lie.
        scale: of each channel, where the kernels can take the part.
    """

    layout: Layout
    scale: Tensor | None


@dataclass(frozen=True, eq=False)
class _Maps:
    """The maps of some parts as the kernels read them, and the channels of a block."""

    block: int
    maps: list[_native.Map]


def channels_last(value: Value) -> bool:
    """Whether the kernels should take the last dimension for channels: behind a linear map over several pixels."""
    return len(value.shape) > 1 and any(isinstance(part.map, Linear) for part in value.parts)


def work(value: Value, layout: Layout, dtype: torch.dtype, memo: Once) -> Work:
    """A value for the kernels. Parts that they cannot take are made dense."""
    rest = value.rest
    native: list[tuple[Part, _Source]] = []
    for part in value.parts:
        source = memo.once(("source", part.key, layout.channels_last), partial(_source, part, layout))
        if source.scale is None:
            values = part.dense()
            rest = values if rest is None else rest + values
        else:
            native.append((part, source))
    key = ("maps", layout.channels_last, layout.sizes[2], *((part.key, part.events.planes[:2]) for part, _ in native))
    known = memo.once(key, partial(_maps, native, layout.sizes[2], dtype))
    parts = [
        (part.events.lent(source.layout.channels_last), part.events.shared, map)
        for (part, source), map in zip(native, known.maps, strict=True)
    ]
    return Work(parts, None if rest is None else lent(_flat_rest(rest.to(dtype), layout)), known.block)


def dense(value: Value, steps: int, batch: int, dtype: torch.dtype, memo: Once) -> Tensor:
    """All of a value, `[1 or steps, batch, *shape]`."""
    if not value.parts:
        rest = torch.zeros(1, 1, *value.shape, dtype=dtype) if value.rest is None else value.whole_rest()
        assert rest is not None
        return rest.expand(-1, batch, *value.shape)
    layout = Layout(value.shape, channels_last(value))
    given = work(value, layout, dtype, memo)
    rows, columns, channels = layout.sizes
    out = torch.empty(steps, batch, rows * columns * channels, dtype=dtype)
    currents(
        given.parts,
        given.rest,
        steps,
        (batch, rows, columns, channels),
        given.block,
        lent(out),
        threads(),
    )
    return layout.shaped(out)


def dense_matrix(matrix: Tensor) -> Tensor:
    """A matrix `[in, out]` for dense values, as `native/linear.hpp` reads it: `[blocks, in, block]`."""
    return _blocks(matrix, _block(matrix.shape[-1], (), matrix.dtype))


def _source(part: Part, layout: Layout) -> _Source:
    source = Layout(part.events.shape, layout.channels_last)
    scale = source.per_channel(part.events.scale) if _fits(part, source) else None
    return _Source(source, scale)


def _fits(part: Part, source: Layout) -> bool:
    """Whether the kernels can take a part, were the scale of its spikes the same all over a channel."""
    _, columns, channels = source.sizes
    if columns > _native.MOST_COLUMNS or channels > _native.MOST_CHANNELS:
        return False
    match part.map:
        case None:
            return True
        case Linear():
            return source.channels_last or len(source.shape) == 1
        case Conv():
            rows, _ = _kernel(part.map)
            return not source.channels_last and part.map.weight.ndim <= 4 and rows <= _native.MOST_KERNEL_ROWS


def _maps(parts: Sequence[tuple[Part, _Source]], channels: int, dtype: torch.dtype) -> _Maps:
    block = _block(channels, [part for part, _ in parts], dtype)
    return _Maps(block, [_packed(part, source, block) for part, source in parts])


def _block(channels: int, parts: Sequence[Part], dtype: torch.dtype) -> int:
    """Channels of a block. Where a spike reaches only its own group, blocks would be searched in vain: one block."""
    grouped = parts and all(part.map is None or (isinstance(part.map, Conv) and part.map.groups > 1) for part in parts)
    largest = channels if grouped else BLOCK_BYTES // dtype.itemsize
    blocks = -(-channels // largest)
    each = -(-channels // blocks)
    return -(-each // _native.PADDING) * _native.PADDING


def _packed(part: Part, source: _Source, block: int) -> _native.Map:
    scale, sizes, one, zero = source.scale, source.layout.sizes, (1, 1), (0, 0)
    signs, bits, _ = part.events.planes
    few = signs == 1 and bits <= _native.MOST_GATHERED_BITS
    assert scale is not None
    match part.map:
        case None:
            weight = scale if len(scale) > 1 else _blocks(scale.unsqueeze(0), block)  # one channel is one group
            factors = few and len(scale) in GATHERED_CHANNELS
            window = weight if factors else None
            return _native.Map(sizes, weight, one, one, zero, one, len(scale), window, int(factors), 0, bits)
        case Linear(weight=matrix):
            weight = _blocks(matrix.T * scale.unsqueeze(1), block)
            return _native.Map(sizes, weight, one, one, zero, one, 1)
        case Conv() as map:
            weight = _conv_weight(map, scale, block)
            stride, dilation, padding = _pair(map.stride, 1), _pair(map.dilation, 1), _pair(map.padding, 0)
            strip, together = _gathered(map, source, block, bits) if few else (0, 0)
            window = _window(map, scale, block, strip, together, bits) if strip else None
            return _native.Map(
                sizes, weight, _kernel(map), stride, padding, dilation, map.groups, window, strip, together, bits
            )


def _conv_weight(conv: Conv, scale: Tensor, block: int) -> Tensor:
    """`[block][in][ky][kx][channel]`, with groups `[in][ky][kx][out / groups]`, ordered as in `native/kernels.hpp`."""
    outputs, per_group = conv.weight.shape[:2]
    weight = conv.weight.reshape(conv.groups, outputs // conv.groups, per_group, *_kernel(conv))
    columns, stride, dilation = weight.shape[-1], conv.stride[-1], conv.dilation[-1]
    phases = stride if conv.groups == 1 and dilation == 1 else 1
    order = [kx for phase in range(phases) for kx in reversed(range(phase, columns, phases))]
    weight = weight[..., order].permute(0, 2, 3, 4, 1).flatten(0, 1) * scale.reshape(-1, 1, 1, 1)
    return weight.contiguous().detach() if conv.groups > 1 else _blocks(weight, block)


def _gathered(conv: Conv, source: _Source, block: int, bits: int) -> tuple[int, int]:
    """How many rows and channels of outputs are gathered together, for small kernels between few channels; else 0."""
    kernel, (rows, columns, channels) = _kernel(conv), source.layout.sizes
    few, matrix = channels in GATHERED_CHANNELS, rows * columns == 1 and kernel == (1, 1)  # matrices have lists alone
    padded = max(conv.padding) > _native.MOST_GATHERED_PADDING or max(conv.padding) >= min(kernel)
    if not few or matrix or padded or conv.groups > 1 or {*conv.dilation} != {1}:
        return 0, 0
    if bits > 1 and (kernel == (1, 1) or {*conv.stride} != {1}):
        return 0, 0
    match kernel, _pair(conv.stride, 1), block:
        case (5, 5), (1, 1), 16:
            return 1, 16
        case (3, 3), (1, 1), 16 if bits > 1:
            return 1, 16
        case (3, 3), (1, 1), 16:
            return 2, 16
        case ((3, 3), (1, 1) | (2, 2), 32 | 64) | ((1, 1), _, 32 | 64):
            return 1, 32
        case _:
            return 0, 0


def _window(conv: Conv, scale: Tensor, block: int, strip: int, together: int, bits: int) -> Tensor:
    """As `native/gather.hpp` reads it, for spikes that are listed before or not."""
    taps = _conv_weight(conv, scale, block).transpose(1, 2)  # [block][ky][in][kx][channel]
    listed = bits > 1 or _kernel(conv) == (5, 5)
    return _for_lists(taps, together, bits) if listed else _for_frames(taps, strip, together)


def _for_frames(taps: Tensor, strip: int, together: int) -> Tensor:
    """`[channels / together][word of inputs][bit][strip][kx][together]`.

    It is 0 where the kernel does not reach from a row, where a word has bits that no input has, and in the row behind
    each word's bits.
    """
    blocks, rows, inputs, columns, block = taps.shape
    window: Tensor = taps.new_zeros(blocks, strip + rows - 1, inputs, strip, columns, block)
    for row in range(strip):
        window[:, row : row + rows, :, row] = taps
    bits = (strip + rows - 1) * inputs
    parts = window.reshape(blocks, bits, strip * columns, block // together, together).permute(0, 3, 1, 2, 4)
    whole = F.pad(parts.reshape(blocks * (block // together), bits, -1), (0, 0, 0, -bits % _native.WORD))
    return F.pad(whole.reshape(len(whole), -1, _native.WORD, whole.shape[-1]), (0, 0, 0, 1)).contiguous()


def _for_lists(taps: Tensor, together: int, bits: int) -> Tensor:
    """`[channels / together][ky][in / PADDING][bit][PADDING][kx][together]`, what each bit is worth multiplied in."""
    parts = torch.stack(torch.split(taps, together, -1), 1)
    pieces = parts.reshape(*parts.shape[:3], -1, 1, _native.PADDING, *parts.shape[4:])
    worth = torch.tensor([2.0**bit for bit in range(bits)]).to(taps).reshape(-1, 1, 1, 1)
    return (pieces * worth).contiguous()


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
