"""Weighted layers and normalisations."""

from __future__ import annotations

from typing import Any

import torch

from respike.frontends.semantics import layers
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, Translator, optional, spread, weights
from respike.frontends.semantics.layers import Sides, even_sides
from respike.frontends.semantics.meaning import means
from respike.frontends.torch.call import Ints


@means(layers.linear)
def linear(call: Call, x: Operand, weight: Operand, bias: Operand | None = None) -> Signal:
    """`x Wᵀ + b`."""
    return layers.linear(call, x, weights(weight), optional(bias))


@means(layers.affine_product)
def addmm(call: Call, bias: Operand, x: Operand, matrix: Operand, beta: float = 1, alpha: float = 1) -> Signal:
    """`beta · b + alpha · x M`."""
    return layers.affine_product(call, x, weights(matrix), weights(bias), alpha, beta)


@means(layers.conv)
def conv(
    call: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: int | Ints = 1,
    padding: str | int | Ints = 0,
    dilation: int | Ints = 1,
    groups: int = 1,
) -> Signal:
    """Convolution; of uneven "same" padding torch puts the odd one behind."""
    kernel = weights(weight)
    count = kernel.ndim - 2
    dilated = spread(dilation, count)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilated, kernel.shape[2:], strict=True)]
        sides: Sides = tuple((total // 2, total - total // 2) for total in totals)
    else:
        sides = even_sides(spread(0 if isinstance(padding, str) else padding, count))
    return layers.conv(
        call, x, kernel, optional(bias), stride=spread(stride, count), sides=sides, dilation=dilated, groups=groups
    )


@means(layers.conv_transpose)
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
) -> Signal:
    """Transposed convolution."""
    kernel = weights(weight)
    count = kernel.ndim - 2
    return layers.conv_transpose(
        call,
        x,
        kernel,
        optional(bias),
        stride=spread(stride, count),
        crops=even_sides(spread(padding, count)),
        output_padding=spread(output_padding, count),
        dilation=spread(dilation, count),
        groups=groups,
    )


@means(layers.conv, layers.conv_transpose)
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
) -> Signal:
    """Convolution as decomposed graphs spell it."""
    if transposed:
        return conv_transpose(call, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(call, x, weight, bias, stride, padding, dilation, groups)


@means(layers.batch_norm)
def batch_norm(
    call: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand | None,
    variance: Operand | None,
    training: bool,
    momentum: float,
    epsilon: float,
    *_: object,
) -> Signal:
    """Batch normalisation, by its trained statistics or by those of each batch."""
    if training or mean is None or variance is None:
        raise Refused(
            "normalises by the statistics of each batch (track_running_stats=False, or training mode); "
            "call model.eval(), or train it with running statistics"
        )
    return layers.batch_norm(call, x, weights(mean), weights(variance), optional(weight), optional(bias), epsilon)


@means(layers.batch_norm)
def native_batch_norm(
    call: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand,
    variance: Operand,
    momentum: float,
    epsilon: float,
) -> tuple[Signal, ...]:
    """The same in decomposed graphs; the other two results serve training only."""
    return (batch_norm(call, x, weight, bias, mean, variance, False, momentum, epsilon),)


@means(layers.batch_norm)
def batch_norm_training(call: Call, *_: object) -> Signal:
    """Batch normalisation that would use the statistics of the batch."""
    return batch_norm(call, 0.0, None, None, None, None, True, 0.0, 0.0)


@means(layers.layer_norm)
def layer_norm(
    call: Call,
    x: Operand,
    shape: Ints,
    weight: Operand | None = None,
    bias: Operand | None = None,
    epsilon: float = 1e-5,
    *_: object,
) -> Signal:
    """Normalisation of each sample's last dimensions."""
    return layers.layer_norm(call, x, shape, optional(weight), optional(bias), epsilon)


@means(layers.layer_norm)
def native_layer_norm(call: Call, *args: Any) -> tuple[Signal, ...]:
    """The same; the other two results serve training only."""
    return (layer_norm(call, *args),)


@means(layers.rms_norm)
def rms_norm(
    call: Call, x: Operand, shape: Ints, weight: Operand | None = None, epsilon: float | None = None
) -> Signal:
    """Each sample's last dimensions divided by their root mean square."""
    return layers.rms_norm(call, x, shape, optional(weight), epsilon)


@means(layers.group_norm)
def group_norm(
    call: Call,
    x: Operand,
    groups: int,
    weight: Operand | None = None,
    bias: Operand | None = None,
    epsilon: float = 1e-5,
    *_: object,
) -> Signal:
    """Normalisation of each sample's groups of channels."""
    return layers.group_norm(call, x, groups, optional(weight), optional(bias), epsilon)


@means(layers.instance_norm)
def instance_norm(
    call: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand | None,
    variance: Operand | None,
    use_sample: bool,
    momentum: float,
    epsilon: float,
    *_: object,
) -> Signal:
    """Normalisation of each sample's channels; with trained statistics it is a batch norm."""
    if not use_sample and mean is not None and variance is not None:
        return layers.batch_norm(call, x, weights(mean), weights(variance), optional(weight), optional(bias), epsilon)
    return layers.instance_norm(call, x, optional(weight), optional(bias), epsilon)


@means(layers.embedding)
def embedding(call: Call, table: Operand, x: Operand, *_: object) -> Signal:
    """Rows of a table, by whole numbers."""
    return layers.embedding(call, weights(table), x)


aten = torch.ops.aten

LAYERS: dict[object, Translator] = {
    aten.linear: linear,
    aten.addmm: addmm,
    **dict.fromkeys((aten.conv1d, aten.conv2d, aten.conv3d), conv),
    **dict.fromkeys((aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d), conv_transpose),
    aten.convolution: convolution,
    aten.batch_norm: batch_norm,
    aten._native_batch_norm_legit_no_training: native_batch_norm,
    aten._native_batch_norm_legit: batch_norm_training,
    aten._native_batch_norm_legit_functional: batch_norm_training,
    aten.layer_norm: layer_norm,
    aten.native_layer_norm: native_layer_norm,
    aten.rms_norm: rms_norm,
    aten.group_norm: group_norm,
    aten.instance_norm: instance_norm,
    aten.embedding: embedding,
}
