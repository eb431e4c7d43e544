"""Weighted layers, normalisation and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from respike.frontends.operators.call import Call, Operand, Refused, Result, Signal, Translator, signal, spread, weights
from respike.ir import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, BatchNorm, Conv, Linear, MaxPool, Pad, Reshape

Ints = Sequence[int]


def linear(call: Call, x: Operand, weight: Operand, bias: Operand | None = None) -> str:
    """`x Wᵀ + b`."""
    matrix = weights(weight)
    if matrix.ndim != 2:
        raise Refused("its weight is not a matrix")
    source = signal(x)
    if source.ndim < 2:
        raise Refused("mixes the samples of a batch")
    return call.emit(Linear(call.name, (source.name,), matrix.contiguous(), _bias(bias)))


def matmul(call: Call, x: Operand, matrix: Operand) -> str:
    """`x M` with a constant matrix."""
    if isinstance(x, Signal) and isinstance(matrix, Signal):
        raise Refused("multiplies two signals (attention?); respike converts fixed weights only")
    return linear(call, x, _transposed(weights(matrix)))


def addmm(call: Call, bias: Operand, x: Operand, matrix: Operand, beta: float = 1, alpha: float = 1) -> str:
    """`beta · b + alpha · x M`."""
    weight = _transposed(weights(matrix)) * alpha
    offset = weights(bias)
    if offset.numel() not in (1, weight.shape[0]):
        raise Refused("its bias is not one value for each output")
    return linear(call, x, weight, (offset.reshape(-1) * beta).expand(weight.shape[0]).contiguous())


def _bias(value: Operand | None) -> Tensor | None:
    return None if value is None else weights(value)


def _transposed(matrix: Tensor) -> Tensor:
    if matrix.ndim != 2:
        raise Refused("its weight is not a matrix")
    return matrix.t()


def conv(
    call: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: int | Ints = 1,
    padding: str | int | Ints = 0,
    dilation: int | Ints = 1,
    groups: int = 1,
) -> str:
    """Convolution; uneven "same" padding becomes a pad of its own."""
    source, kernel = signal(x), weights(weight).contiguous()
    count = kernel.ndim - 2
    if source.ndim != kernel.ndim:
        raise Refused("takes the batch for channels; give it an input with a batch dimension")
    steps, dilated = spread(stride, count), spread(dilation, count)
    name = source.name
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilated, kernel.shape[2:], strict=True)]
        sides = tuple(t // 2 for t in total)
        if any(t % 2 for t in total):
            extra = tuple(n for t in reversed(total) for n in (0, t % 2))  # torch puts the odd one behind
            name = call.emit(Pad(f"{call.name}.pad", (name,), extra))
    else:
        sides = (0,) * count if padding == "valid" else spread(padding, count)
    return call.emit(Conv(call.name, (name,), kernel, _bias(bias), steps, sides, dilated, groups))


def convolution(
    call: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
) -> str:
    """Convolution as decomposed graphs spell it."""
    if transposed:
        raise Refused("transposed convolution is not supported; use an upsampling followed by a convolution")
    return conv(call, x, weight, bias, stride, padding, dilation, groups)


def batch_norm(
    call: Call,
    x: Operand,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    momentum: float,
    epsilon: float,
) -> tuple[str, ...]:
    """Batch normalisation with its trained statistics; the other two results serve training only."""
    return (call.emit(BatchNorm(call.name, (signal(x).name,), mean, variance, weight, bias, epsilon)),)


def batch_norm_training(call: Call, *_: object) -> Result:
    """Batch normalisation that would use the statistics of the batch."""
    raise Refused(
        "normalises by the statistics of each batch (track_running_stats=False, or training mode); "
        "call model.eval(), or train it with running statistics"
    )


def avg_pool(
    call: Call,
    x: Operand,
    kernel: int | Ints,
    stride: int | Ints = (),
    padding: int | Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> str:
    """Mean over windows."""
    source = signal(x)
    count = source.ndim - 2
    size = spread(kernel, count)
    steps = spread(stride, count) or size
    pads = spread(padding, count)
    node = AvgPool(call.name, (source.name,), size, steps, pads, ceil_mode, count_include_pad, divisor_override)
    return call.emit(node)


def max_pool(
    call: Call,
    x: Operand,
    kernel: int | Ints,
    stride: int | Ints = (),
    padding: int | Ints = 0,
    dilation: int | Ints = 1,
    ceil_mode: bool = False,
) -> str:
    """Maximum over windows."""
    source = signal(x)
    count = source.ndim - 2
    size = spread(kernel, count)
    steps = spread(stride, count) or size
    pads, dilated = spread(padding, count), spread(dilation, count)
    return call.emit(MaxPool(call.name, (source.name,), size, steps, pads, dilated, ceil_mode))


def max_pool_with_indices(call: Call, x: Operand, *args: Any, **kwargs: Any) -> tuple[str, ...]:
    """Maximum over windows; the second result, the indices, is not supported."""
    return (max_pool(call, x, *args, **kwargs),)


def adaptive_avg_pool(call: Call, x: Operand, output_size: int | Ints) -> str:
    """Mean over windows that give a fixed output size."""
    return call.emit(AdaptiveAvgPool(call.name, (signal(x).name,), call.shape[1:]))


def adaptive_max_pool(call: Call, x: Operand, output_size: int | Ints) -> tuple[str, ...]:
    """Maximum over windows that give a fixed output size; the second result, the indices, is not supported."""
    return (call.emit(AdaptiveMaxPool(call.name, (signal(x).name,), call.shape[1:])),)


def mean(call: Call, x: Operand, dims: Ints | None = None, keepdim: bool = False, dtype: object = None) -> str:
    """The mean over spatial dimensions: global average pooling."""
    source = signal(x)
    over = {d % source.ndim for d in dims} if dims else set(range(source.ndim))
    if 0 in over or 1 in over or source.ndim not in (3, 4, 5):
        raise Refused("a mean over the batch, the channels or a flat vector; only spatial dimensions can be averaged")
    sizes = tuple(1 if d in over else source.shape[d - 1] for d in range(2, source.ndim))
    name = call.emit(AdaptiveAvgPool(call.name, (source.name,), sizes))
    return name if keepdim else call.emit(Reshape(f"{call.name}.flatten", (name,), call.shape))


def global_max(call: Call, x: Operand, dims: Ints = (), keepdim: bool = False) -> str:
    """The maximum over spatial dimensions: global max pooling."""
    source = signal(x)
    over = {d % source.ndim for d in dims}
    if over != set(range(2, source.ndim)) or source.ndim not in (3, 4, 5):
        raise Refused("a maximum over something other than all spatial dimensions")
    name = call.emit(AdaptiveMaxPool(call.name, (source.name,), (1,) * len(over)))
    return name if keepdim else call.emit(Reshape(f"{call.name}.flatten", (name,), call.shape))


aten = torch.ops.aten
LAYERS: dict[object, Translator] = {
    aten.linear: linear,
    aten.matmul: matmul,
    aten.mm: matmul,
    aten.addmm: addmm,
    aten.conv1d: conv,
    aten.conv2d: conv,
    aten.conv3d: conv,
    aten.convolution: convolution,
    aten._native_batch_norm_legit_no_training: batch_norm,
    aten._native_batch_norm_legit: batch_norm_training,
    aten._native_batch_norm_legit_functional: batch_norm_training,
    aten.avg_pool1d: avg_pool,
    aten.avg_pool2d: avg_pool,
    aten.avg_pool3d: avg_pool,
    aten.max_pool1d: max_pool,
    aten.max_pool2d: max_pool,
    aten.max_pool3d: max_pool,
    aten.max_pool2d_with_indices: max_pool_with_indices,
    aten.max_pool3d_with_indices: max_pool_with_indices,
    aten.adaptive_avg_pool1d: adaptive_avg_pool,
    aten.adaptive_avg_pool2d: adaptive_avg_pool,
    aten.adaptive_avg_pool3d: adaptive_avg_pool,
    aten.adaptive_max_pool1d: adaptive_max_pool,
    aten.adaptive_max_pool2d: adaptive_max_pool,
    aten.adaptive_max_pool3d: adaptive_max_pool,
    aten.mean: mean,
    aten.amax: global_max,
}
