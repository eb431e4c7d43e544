"""Average pooling of spikes: members of a window that fire together become one spike with an amplitude."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.calls import lent, threads
from respike.engines.event.calls import pool as pool_spikes
from respike.engines.event.memo import Once
from respike.engines.event.values import Events, Layout
from respike.ir import AdaptiveAvgPool, AvgPool, Conv, apply

Windows: TypeAlias = tuple[Tensor, Tensor]
"""First input of each window along one dimension, and the input behind its last."""


@dataclass(frozen=True, eq=False)
class _Pool:
    """A pool of spikes as the kernel reads it.

    Args:
        windows: the inputs of each output.
        bits: of the amplitudes behind it.
        scale: of the spikes behind it, `[1, channels, …]`.
    """

    windows: _native.Windows
    bits: int
    scale: Tensor


def pooled(node: AvgPool | AdaptiveAvgPool, events: Events, shape: tuple[int, ...], memo: Once) -> Events | None:
    """The spikes behind the pool; None where the kernel cannot.

    It takes neither three dimensions, nor a scale that varies in a window, nor amplitudes of too many bits.
    """
    signs, bits, batch = events.planes
    key = (*events.key, node.name)
    pool = memo.once(("pool", key, bits), lambda: _pool(node, events, shape, bits))
    if pool is None:
        return None
    out = torch.empty(signs, pool.bits, batch, math.prod(shape), dtype=torch.int64)
    sent = _native.Shared()
    pool_spikes(events.lent(channels_last=False), pool.windows, lent(out), threads(), events.shared, sent)
    return Events(Layout(shape).shaped(out), pool.scale, events.steps, key, sent)


def _pool(node: AvgPool | AdaptiveAvgPool, events: Events, shape: tuple[int, ...], bits: int) -> _Pool | None:
    layout = Layout(events.shape)
    dimensions, scale = len(events.shape) - 1, layout.per_channel(events.scale)
    if dimensions > 2 or scale is None:
        return None
    windows = [_windows(node, d, *sizes) for d, sizes in enumerate(zip(events.shape[1:], shape[1:], strict=True))]
    members = windows[0][1] - windows[0][0]
    for begin, end in windows[1:]:
        members = members.unsqueeze(-1) * (end - begin)
    means = apply(node, [torch.ones(1, 1, *events.shape[1:], dtype=torch.float64)])[0, 0]
    weight = means / members  # what one member of a window counts
    if bool((weight == weight.flatten()[0]).all()):
        weight = weight.flatten()[0]
    out_bits = (int(members.max()) * (2**bits - 1)).bit_length()
    if out_bits > _native.MOST_BITS:
        return None
    rows, columns = windows if dimensions == 2 else ((torch.tensor([0]), torch.tensor([1])), windows[0])
    channelwise = scale.reshape(1, -1, *(1,) * dimensions)
    return _Pool(_native.Windows(layout.sizes, *rows, *columns), out_bits, channelwise * weight.to(scale))


def composed(node: AvgPool | AdaptiveAvgPool, conv: Conv, shape: tuple[int, ...]) -> Conv | None:
    """A convolution and the pool behind it as one convolution; None unless the windows tile what they read."""
    if not isinstance(node, AvgPool) or node.kernel != node.stride or any(node.padding):
        return None
    if any(size % kernel for size, kernel in zip(shape[1:], node.kernel, strict=True)) or set(conv.dilation) != {1}:
        return None
    weight = torch.zeros(())
    for offset in torch.cartesian_prod(*(torch.arange(kernel) for kernel in (*node.kernel, 1))).tolist():
        sides = [
            (step * at, step * (kernel - 1 - at))
            for at, kernel, step in zip(offset, node.kernel, conv.stride, strict=False)
        ]
        weight = weight + F.pad(conv.weight, [amount for side in reversed(sides) for amount in side])
    return replace(
        conv,
        weight=weight / (node.divisor or math.prod(node.kernel)),
        stride=tuple(step * pool for step, pool in zip(conv.stride, node.stride, strict=True)),
    )


def _windows(node: AvgPool | AdaptiveAvgPool, dim: int, size: int, outputs: int) -> Windows:
    index = torch.arange(outputs)
    if isinstance(node, AdaptiveAvgPool):
        return index * size // outputs, -(-(index + 1) * size // outputs)
    begin = index * node.stride[dim] - node.padding[dim]
    return begin.clamp(min=0), (begin + node.kernel[dim]).clamp(max=size)
