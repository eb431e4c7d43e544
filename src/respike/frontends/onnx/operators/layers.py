"""Weighted layers and normalisations."""

from __future__ import annotations

from torch import Tensor

from respike.frontends.onnx.call import Operator, halved, reach
from respike.frontends.semantics import Refused, Signal, layers
from respike.frontends.semantics.call import Operand, Translator, optional, signal, weights
from respike.frontends.semantics.layers import Sides
from respike.frontends.semantics.meaning import means


@means(layers.conv)
def conv(op: Operator, x: Operand, weight: Operand, bias: Operand | None = None) -> Signal:
    """Convolution."""
    source, kernel = signal(x), weights(weight)
    count = kernel.ndim - 2
    if len(source.shape) != count + 1:
        raise Refused(f"its weights have {kernel.ndim} dimensions and its input {source.ndim}; 3, 4 or 5 are read")
    steps, dilation = op.sizes("strides", count, 1, least=1), op.sizes("dilations", count, 1, least=1)
    sides = op.sides(source.shape[1:], reach(kernel.shape[2:], dilation), steps)
    return layers.conv(
        op,
        source,
        kernel,
        optional(bias),
        stride=steps,
        sides=sides,
        dilation=dilation,
        groups=op.integer("group", 1),
    )


@means(layers.conv_transpose)
def conv_transpose(op: Operator, x: Operand, weight: Operand, bias: Operand | None = None) -> Signal:
    """Transposed convolution."""
    source, kernel = signal(x), weights(weight)
    count = kernel.ndim - 2
    if len(source.shape) != count + 1:
        raise Refused(f"its weights have {kernel.ndim} dimensions and its input {source.ndim}; 3, 4 or 5 are read")
    steps, dilation = op.sizes("strides", count, 1, least=1), op.sizes("dilations", count, 1, least=1)
    extra = op.sizes("output_padding", count, 0)
    spans = zip(steps, source.shape[1:], extra, reach(kernel.shape[2:], dilation), strict=True)
    return layers.conv_transpose(
        op,
        source,
        kernel,
        optional(bias),
        stride=steps,
        crops=_crops(op, source, steps, [s * (n - 1) + e + r for s, n, e, r in spans]),
        output_padding=extra,
        dilation=dilation,
        groups=op.integer("group", 1),
    )


def _crops(op: Operator, x: Signal, steps: tuple[int, ...], full: list[int]) -> Sides:
    """How much a transposed convolution leaves out at the beginning and at the end of each dimension."""
    automatic, wanted = op.text("auto_pad", "NOTSET"), op.attributes.get("output_shape")
    if automatic.startswith("SAME") and wanted is None:
        wanted = [n * s for n, s in zip(x.shape[1:], steps, strict=True)]
    if wanted is not None:
        totals = [f - w for f, w in zip(full, wanted[-len(full) :], strict=True)]
        crops = halved(totals, more_behind=automatic == "SAME_UPPER")
    else:
        pads = op.sizes("pads", 2 * len(full), 0)
        crops = tuple(zip(pads[: len(full)], pads[len(full) :], strict=True))
    if any(min(crop) < 0 for crop in crops):
        raise Refused("its output is larger than the convolution makes it; shorten output_shape")
    return crops


@means(layers.affine_product)
def gemm(op: Operator, x: Operand, matrix: Operand, bias: Operand | None = None) -> Signal:
    """`alpha · x M + beta · b`."""
    if op.integer("transA", 0):
        raise Refused("transposes its input, which mixes the samples of a batch")
    weight = weights(matrix)
    if op.integer("transB", 0):
        weight = layers.transposed(weight)
    scales = op.real("alpha", 1.0), op.real("beta", 1.0)
    return layers.affine_product(op, signal(x), weight, optional(bias), *scales)


@means(layers.batch_norm)
def batch_norm(op: Operator, x: Operand, scale: Operand, bias: Operand, mean: Operand, variance: Operand) -> Signal:
    """Batch normalisation with its trained statistics."""
    if op.integer("training_mode", 0):
        raise Refused("is in training mode; export the network after model.eval()")
    given = weights(mean), weights(variance), weights(scale), weights(bias)
    return layers.batch_norm(op, x, *given, op.real("epsilon", 1e-5))


@means(layers.layer_norm)
def layer_norm(op: Operator, x: Operand, scale: Operand, bias: Operand | None = None) -> Signal:
    """Normalisation of the dimensions from `axis` on; the other results serve training only."""
    source = signal(x)
    shape = source.shape[source.layout.axis(op.integer("axis", -1)) - 1 :]
    return layers.layer_norm(op, source, shape, weights(scale), optional(bias), op.real("epsilon", 1e-5))


@means(layers.rms_norm)
def rms_norm(op: Operator, x: Operand, scale: Operand) -> Signal:
    """The dimensions from `axis` on divided by their root mean square."""
    source = signal(x)
    shape = source.shape[source.layout.axis(op.integer("axis", -1)) - 1 :]
    return layers.rms_norm(op, source, shape, weights(scale), op.real("epsilon", 1e-5))


@means(layers.instance_norm)
def instance_norm(op: Operator, x: Operand, scale: Operand, bias: Operand) -> Signal:
    """Every channel of every sample normalised by itself."""
    return layers.instance_norm(op, x, weights(scale), weights(bias), op.real("epsilon", 1e-5))


@means(layers.group_norm)
def group_norm(op: Operator, x: Operand, scale: Operand, bias: Operand) -> Signal:
    """Groups of channels normalised together; before opset 21 a scale and a bias for each group, then each channel."""
    source, groups = signal(x), op.integer("num_groups", 1)
    each = source.shape[0] // max(1, groups) if op.opset < 21 else 1
    gain, shift = (_for_channels(weights(value), each) for value in (scale, bias))
    return layers.group_norm(op, source, groups, gain, shift, op.real("epsilon", 1e-5))


def _for_channels(values: Tensor, each: int) -> Tensor:
    return values.repeat_interleave(each, 0)


LAYERS: dict[str, Translator] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
}
