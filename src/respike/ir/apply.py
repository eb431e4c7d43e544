"""What each node computes, on a batch `[batch, *shape]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from respike.errors import InvalidData
from respike.ir.functions import apply_function
from respike.ir.nodes import (
    Activation,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    Affine,
    Analog,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Divide,
    ElementwiseAffine,
    Embedding,
    FixedLinear,
    GroupNorm,
    LayerNorm,
    Linear,
    MatMul,
    MaxPool,
    Multiply,
    Pad,
    Permute,
    Pooling,
    Reshape,
    RMSNorm,
    Slice,
    Softmax,
)

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_ADAPTIVE_MAX_POOL = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def batch_norm_scale(node: BatchNorm) -> Tensor:
    """`weight / sqrt(variance + epsilon)`, shape `[channels]`, with the layer's own epsilon (ECC Eq. 11)."""
    inverse = torch.rsqrt(node.variance + node.epsilon)
    return inverse if node.weight is None else inverse * node.weight


def batch_norm_shift(node: BatchNorm) -> Tensor:
    """`bias - mean · scale`, shape `[channels]` (ECC Eq. 12)."""
    shift = -node.mean * batch_norm_scale(node)
    return shift if node.bias is None else shift + node.bias


def channelwise(values: Tensor, dimensions: int) -> Tensor:
    """Per-channel values `[channels]` shaped to broadcast against a batch of `dimensions` dimensions."""
    return values.reshape(1, -1, *(1,) * (dimensions - 2)) if values.ndim == 1 else values


def apply(node: Affine | Analog, inputs: Sequence[Tensor], *, bias: bool = True) -> Tensor:
    """The map of `node`; with `bias=False` the linear part alone of an affine one, which is what drains carry.

    Args:
        node: the map.
        inputs: the values of the nodes that it reads, `[batch, *shape]` each.
        bias: whether to add the constant part.
    """
    if isinstance(node, Analog):
        return apply_analog(node, inputs)
    x = inputs[0]
    match node:
        case Linear():
            return F.linear(x, node.weight, node.bias if bias else None)
        case Conv():
            conv = _CONV[node.weight.ndim - 2]
            constant = node.bias if bias else None
            return conv(x, node.weight, constant, node.stride, node.padding, node.dilation, node.groups)
        case ConvTranspose():
            return _conv_transpose(node, x, node.bias if bias else None)
        case FixedLinear():
            return (x.transpose(node.dim, -1) @ node.matrix.t()).transpose(node.dim, -1)
        case BatchNorm():
            scaled = x * channelwise(batch_norm_scale(node), x.ndim)
            return scaled + channelwise(batch_norm_shift(node), x.ndim) if bias else scaled
        case ElementwiseAffine():
            return x * node.scale + node.shift if bias else x * node.scale
        case AvgPool():
            return _avg_pool(node, x)
        case AdaptiveAvgPool():
            return _adaptive_avg_pool(node, x)
        case Add():
            return sum(inputs[1:], start=x)
        case Concat():
            return torch.cat(tuple(inputs), node.dim)
        case Reshape():
            return x.reshape(x.shape[0], *node.shape)
        case Permute():
            return x.permute(node.dims)
        case Slice():
            return x[(slice(None),) * node.dim + (slice(node.start, node.stop, node.step),)]
        case Pad():
            return F.pad(x, node.amounts, value=node.value if bias else 0.0)
        case _:
            assert_never(node)


def apply_max(node: Pooling, x: Tensor) -> Tensor:
    """The maximum over the windows of a max pool."""
    match node:
        case MaxPool():
            pool = _MAX_POOL[len(node.kernel)]
            return pool(x, node.kernel, node.stride, node.padding, node.dilation, node.ceil_mode)
        case AdaptiveMaxPool():
            return _ADAPTIVE_MAX_POOL[len(node.output_size)](x, node.output_size)
        case _:
            assert_never(node)


def apply_activation(node: Activation, x: Tensor) -> Tensor:
    """The activation's function of each element."""
    return apply_function(node.function, x)


def apply_analog(node: Analog, inputs: Sequence[Tensor]) -> Tensor:
    """What an analog node computes of the values of its inputs."""
    x = inputs[0]
    match node:
        case Multiply():
            return x * inputs[1]
        case Divide():
            return x / inputs[1]
        case MatMul():
            return x @ inputs[1]
        case Softmax():
            return x.log_softmax(node.dim) if node.log else x.softmax(node.dim)
        case LayerNorm():
            return _layer_norm(node, x)
        case RMSNorm():
            return x / ((x.square().mean(node.dims, keepdim=True) + node.epsilon).sqrt() + node.added)
        case GroupNorm():
            return torch.group_norm(
                x, node.groups, node.weight, node.bias, node.epsilon
            )  # F refuses groups of one value
        case Embedding():
            return _looked_up(node, x)
        case _:
            assert_never(node)


def _layer_norm(node: LayerNorm, x: Tensor) -> Tensor:
    if not node.added:
        return F.layer_norm(x, node.shape, node.weight, node.bias, node.epsilon)
    variance, mean = torch.var_mean(x, tuple(range(-len(node.shape), 0)), correction=0, keepdim=True)
    normal = (x - mean) / ((variance + node.epsilon).sqrt() + node.added)
    scaled = normal if node.weight is None else normal * node.weight
    return scaled if node.bias is None else scaled + node.bias


def _looked_up(node: Embedding, x: Tensor) -> Tensor:
    try:
        return F.embedding(x.long(), node.weight)
    except IndexError as error:
        raise InvalidData(
            f"{node.name!r} looks up whole numbers from 0 to {len(node.weight) - 1}, and was given some from "
            f"{float(x.min()):g} to {float(x.max()):g}: give numbers that are in the table"
        ) from error


def _conv_transpose(node: ConvTranspose, x: Tensor, bias: Tensor | None) -> Tensor:
    transposed = _CONV_TRANSPOSE[node.weight.ndim - 2]
    return transposed(x, node.weight, bias, node.stride, node.padding, node.output_padding, node.groups, node.dilation)


def _avg_pool(node: AvgPool, x: Tensor) -> Tensor:
    if _tiles(node, x):
        return _avg_pool_tiles(node, x)
    if len(node.kernel) == 1:
        if node.divisor is not None:
            raise ValueError(f"{node.name}: one-dimensional average pooling has no divisor")
        return F.avg_pool1d(x, node.kernel, node.stride, node.padding, node.ceil_mode, node.count_include_pad)
    pool = F.avg_pool2d if len(node.kernel) == 2 else F.avg_pool3d
    return pool(x, node.kernel, node.stride, node.padding, node.ceil_mode, node.count_include_pad, node.divisor)


def _adaptive_avg_pool(node: AdaptiveAvgPool, x: Tensor) -> Tensor:
    match node.output_size:
        case (length,):
            return F.adaptive_avg_pool1d(x, length)
        case (height, width):
            return F.adaptive_avg_pool2d(x, (height, width))
        case _:
            depth, height, width = node.output_size
            return F.adaptive_avg_pool3d(x, (depth, height, width))


def _tiles(node: AvgPool, x: Tensor) -> bool:
    sizes = x.shape[x.ndim - len(node.kernel) :]
    return (
        node.kernel == node.stride
        and not any(node.padding)
        and all(size % kernel == 0 for size, kernel in zip(sizes, node.kernel, strict=True))
    )


def _avg_pool_tiles(node: AvgPool, x: Tensor) -> Tensor:
    """Windows that tile the input: a few strided additions, several times faster than the general kernel."""
    count = 1
    for offset, kernel in enumerate(node.kernel):
        dim = x.ndim - len(node.kernel) + offset
        parts = x.reshape(*x.shape[:dim], -1, kernel, *x.shape[dim + 1 :]).unbind(dim + 1)
        x = sum(parts[1:], start=parts[0])
        count *= kernel
    return x / (node.divisor or count)
