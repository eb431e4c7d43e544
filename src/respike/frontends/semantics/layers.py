"""Layers with weights, and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from respike.frontends.semantics.call import (
    MIXES,
    Call,
    Operand,
    Refused,
    Result,
    Signal,
    anywhere,
    optional,
    signal,
    spread,
    weights,
)
from respike.ir import BatchNorm, Conv, ConvTranspose, Embedding, GroupNorm, LayerNorm, Linear, Pad

Ints = Sequence[int]


def linear(call: Call, x: Operand, weight: Operand, bias: Operand | None = None) -> str:
    """`x Wᵀ + b`."""
    matrix = weights(weight)
    if matrix.ndim != 2:
        raise Refused("its weight is not a matrix")
    source = anywhere(x)
    if source.layout.batch == source.ndim - 1:
        raise Refused("mixes the samples of a batch")
    return call.emit(Linear(call.name, (source.name,), matrix.contiguous(), optional(bias)))


def addmm(call: Call, bias: Operand, x: Operand, matrix: Operand, beta: float = 1, alpha: float = 1) -> str:
    """`beta · b + alpha · x M`."""
    weight = transposed(weights(matrix)) * alpha
    offset = weights(bias)
    if offset.numel() not in (1, weight.shape[0]):
        raise Refused("its bias is not one value for each output")
    return linear(call, x, weight, (offset.reshape(-1) * beta).expand(weight.shape[0]).contiguous())


def transposed(matrix: Tensor) -> Tensor:
    """The transpose of a matrix; anything else is refused."""
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
    return call.emit(Conv(call.name, (name,), kernel, optional(bias), steps, sides, dilated, groups))


def conv_transpose(
    call: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: int | Ints = 1,
    padding: int | Ints = 0,
    output_padding: int | Ints = 0,
    groups: int = 1,
    dilation: int | Ints = 1,
) -> str:
    """Transposed convolution."""
    source, kernel = signal(x), weights(weight).contiguous()
    if source.ndim != kernel.ndim:
        raise Refused("takes the batch for channels; give it an input with a batch dimension")
    steps, pads, more, dilated = (spread(v, kernel.ndim - 2) for v in (stride, padding, output_padding, dilation))
    node = ConvTranspose(call.name, (source.name,), kernel, optional(bias), steps, pads, more, dilated, groups)
    return call.emit(node)


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
        return conv_transpose(call, x, weight, bias, stride, padding, output_padding, groups, dilation)
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


def layer_norm(
    call: Call,
    x: Operand,
    shape: Ints,
    weight: Operand | None = None,
    bias: Operand | None = None,
    epsilon: float = 1e-5,
    *_: object,
) -> str:
    """Normalisation of each sample's last dimensions."""
    source = anywhere(x)
    if source.layout.batch >= source.ndim - len(shape):
        raise Refused("normalises over the batch")
    return call.emit(LayerNorm(call.name, (source.name,), tuple(shape), optional(weight), optional(bias), epsilon))


def native_layer_norm(call: Call, *args: Any) -> tuple[str, ...]:
    """The same; the other two results serve training only."""
    return (layer_norm(call, *args),)


def group_norm(
    call: Call,
    x: Operand,
    groups: int,
    weight: Operand | None = None,
    bias: Operand | None = None,
    epsilon: float = 1e-5,
    *_: object,
) -> str:
    """Normalisation of each sample's groups of channels."""
    return call.emit(GroupNorm(call.name, (signal(x).name,), groups, optional(weight), optional(bias), epsilon))


def instance_norm(
    call: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Tensor | None,
    variance: Tensor | None,
    use_sample: bool,
    momentum: float,
    epsilon: float,
    *_: object,
) -> str:
    """Normalisation of each sample's channels; with trained statistics it is a batch norm."""
    source = signal(x)
    if not use_sample and mean is not None and variance is not None:
        node = BatchNorm(call.name, (source.name,), mean, variance, optional(weight), optional(bias), epsilon)
        return call.emit(node)
    return group_norm(call, x, source.shape[0], weight, bias, epsilon)


def embedding(call: Call, weight: Operand, x: Operand, *_: object) -> str:
    """Rows of a table, by whole numbers."""
    if not isinstance(x, Signal) or not x.layout.is_plain:
        raise Refused(MIXES)
    return call.emit(Embedding(call.name, (x.name,), weights(weight).contiguous()))
