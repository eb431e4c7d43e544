"""Layers with weights, and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from respike.frontends.semantics.arithmetic import affine
from respike.frontends.semantics.call import MIXES, Call, Operand, Refused, Signal, any_numbers, anywhere, signal
from respike.ir import BatchNorm, Conv, ConvTranspose, Embedding, GroupNorm, LayerNorm, Linear, Pad, RMSNorm

Ints: TypeAlias = tuple[int, ...]
Sides: TypeAlias = tuple[tuple[int, int], ...]
"""How much lies in front of and behind each spatial dimension."""


def even_sides(padding: Sequence[int]) -> Sides:
    """As much in front as behind."""
    return tuple((n, n) for n in padding)


def linear(call: Call, x: Operand, weight: Tensor, bias: Tensor | None = None) -> Signal:
    """`x Wᵀ + b` over the last dimension."""
    if weight.ndim != 2:
        raise Refused("its weight is not a matrix")
    source = anywhere(x)
    if source.layout.batch == source.ndim - 1:
        raise Refused("mixes the samples of a batch")
    return call.like(source, Linear(call.name, (source.name,), weight.contiguous(), bias))


def affine_product(
    call: Call, x: Operand, matrix: Tensor, bias: Tensor | None = None, alpha: float = 1.0, beta: float = 1.0
) -> Signal:
    """`alpha · x M + beta · b`; the bias is one number or one for each output."""
    weight = transposed(matrix) * alpha
    if bias is None:
        return linear(call, x, weight)
    if bias.numel() not in (1, weight.shape[0]) or (bias.ndim == 2 and bias.shape[0] != 1):
        raise Refused("its bias is not one value for each output")
    return linear(call, x, weight, (bias.reshape(-1) * beta).expand(weight.shape[0]).contiguous())


def transposed(matrix: Tensor) -> Tensor:
    """The transpose of a matrix; anything else is refused."""
    if matrix.ndim != 2:
        raise Refused("its weight is not a matrix")
    return matrix.t()


def conv(
    call: Call,
    x: Operand,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Ints,
    sides: Sides,
    dilation: Ints,
    groups: int = 1,
) -> Signal:
    """Convolution; where there is more padding on one side, the difference becomes a pad of its own."""
    source = _spatial(x, weight)
    whole_steps(stride=stride, dilation=dilation)
    padding = tuple(min(side) for side in sides)
    source = _padded(call, source, tuple((b - p, e - p) for (b, e), p in zip(sides, padding, strict=True)))
    node = Conv(call.name, (source.name,), weight.contiguous(), bias, stride, padding, dilation, groups)
    return call.like(source, node)


def conv_transpose(
    call: Call,
    x: Operand,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Ints,
    crops: Sides,
    output_padding: Ints,
    dilation: Ints,
    groups: int = 1,
) -> Signal:
    """Transposed convolution; what is cut off on one side only is cut off behind it."""
    source = _spatial(x, weight)
    whole_steps(stride=stride, dilation=dilation)
    padding = tuple(min(crop) for crop in crops)
    inputs, kernel = (source.name,), weight.contiguous()
    node = ConvTranspose(call.name, inputs, kernel, bias, stride, padding, output_padding, dilation, groups)
    whole = call.like(source, node)
    return _padded(call, whole, tuple((p - b, p - e) for (b, e), p in zip(crops, padding, strict=True)), "crop")


def whole_steps(**given: Ints) -> None:
    """Refuses strides, dilations and kernels of nothing, by name."""
    for name, values in given.items():
        if any(value < 1 for value in values):
            raise Refused(f"its {name} is {list(values)}; each must be 1 or more")


def _spatial(x: Operand, weight: Tensor) -> Signal:
    source, count = signal(x), weight.ndim - 2
    if not weight.numel():
        raise Refused(f"its weights of shape {list(weight.shape)} are empty")
    if source.ndim != weight.ndim:
        raise Refused("takes the batch for channels; give it an input with a batch dimension")
    if not 1 <= count <= 3:
        raise Refused(f"convolves over {count} dimensions; 1, 2 or 3 can be converted")
    return source


def _padded(call: Call, x: Signal, sides: Sides, part: str = "pad") -> Signal:
    """Zeros around the spatial dimensions; negative amounts crop."""
    if not any(any(side) for side in sides):
        return x
    amounts = tuple(n for side in reversed(sides) for n in side)
    return call.like(x, Pad(call.part(part), (x.name,), amounts))


def batch_norm(
    call: Call,
    x: Operand,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    epsilon: float,
) -> Signal:
    """Batch normalisation of each channel with its trained statistics."""
    source = signal(x)
    return call.like(source, BatchNorm(call.name, (source.name,), mean, variance, weight, bias, epsilon))


def layer_norm(
    call: Call,
    x: Operand,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Signal:
    """Normalisation of each sample's last dimensions; weight and bias broadcast to their shape."""
    source, sizes = anywhere(x), tuple(shape)
    if source.layout.batch >= source.ndim - len(sizes):
        raise Refused("normalises over the batch")
    gain, shift = (None if value is None else value.expand(sizes).contiguous() for value in (weight, bias))
    return call.like(source, LayerNorm(call.name, (source.name,), sizes, gain, shift, epsilon))


def rms_norm(
    call: Call, x: Operand, shape: Sequence[int], weight: Tensor | None = None, epsilon: float | None = None
) -> Signal:
    """Each sample's last dimensions divided by their root mean square; weights broadcast to their shape."""
    source, sizes = anywhere(x), tuple(shape)
    if source.layout.batch >= source.ndim - len(sizes):
        raise Refused("normalises over the batch")
    last = len(source.shape) + 1
    dims = tuple(range(last - len(sizes), last))
    smallest = torch.finfo(call.dtype).eps if epsilon is None else epsilon
    node = RMSNorm(call.name if weight is None else call.part("rms"), (source.name,), dims, smallest)
    normed = call.like(source, node)
    return normed if weight is None else affine(call, normed, weight.expand(sizes), 0.0)


def group_norm(
    call: Call,
    x: Operand,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Signal:
    """Normalisation of each sample's groups of channels."""
    source = signal(x)
    return call.like(source, GroupNorm(call.name, (source.name,), groups, weight, bias, epsilon))


def instance_norm(
    call: Call, x: Operand, weight: Tensor | None = None, bias: Tensor | None = None, epsilon: float = 1e-5
) -> Signal:
    """Normalisation of each sample's channels."""
    return group_norm(call, x, signal(x).shape[0], weight, bias, epsilon)


def embedding(call: Call, table: Tensor, x: Operand) -> Signal:
    """Rows of a table, by whole numbers."""
    source = any_numbers(x)
    if not source.layout.is_plain:
        raise Refused(MIXES)
    if table.ndim != 2:
        raise Refused("looks up something other than rows of a table")
    rows = call.like(source, Embedding(call.name, (source.name,), table.contiguous()))
    return Signal(rows.name, rows.layout)
