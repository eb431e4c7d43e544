"""Dense layers, convolutions and embeddings."""

from __future__ import annotations

from torch import Tensor

from respike.frontends.keras.call import LayerCall
from respike.frontends.keras.layers.activations import activate
from respike.frontends.keras.layers.windows import no_sides, same_sides
from respike.frontends.semantics import Refused, Signal, Translator, layers
from respike.frontends.semantics.call import spread
from respike.frontends.semantics.meaning import means


@means(layers.linear)
def dense(call: LayerCall, x: Signal) -> Signal:
    """`x K + b` over the last axis; kernel `[in, out]`."""
    weight = call.variables["kernel"].t()
    return activate(call, layers.linear(call, call.plain(x), weight, call.variables.get("bias")))


@means(layers.conv)
def conv(call: LayerCall, x: Signal) -> Signal:
    """Convolution; kernel `[*sizes, in / groups, out]`."""
    kernel = call.variables["kernel"]
    weight = kernel.permute(-1, -2, *range(kernel.ndim - 2))
    return activate(call, _conv(call, x, weight, call.option("groups", 1), call.variables.get("bias")))


@means(layers.conv)
def depthwise_conv(call: LayerCall, x: Signal) -> Signal:
    """Convolution of each channel by itself; kernel `[*sizes, in, multiplier]`."""
    kernel = call.variables["kernel"]
    return activate(call, _conv(call, x, _depthwise(kernel), kernel.shape[-2], call.variables.get("bias")))


@means(layers.conv)
def separable_conv(call: LayerCall, x: Signal) -> Signal:
    """A depthwise convolution and then one of size 1 over all channels."""
    kernel, pointwise = call.variables["depthwise_kernel"], call.variables["pointwise_kernel"]
    count = kernel.ndim - 2
    inner = _conv(call.inner("depthwise"), x, _depthwise(kernel), kernel.shape[-2], None)
    weight, ones = pointwise.permute(-1, -2, *range(count)), (1,) * count
    bias = call.variables.get("bias")
    return activate(call, layers.conv(call, inner, weight, bias, stride=ones, sides=no_sides(count), dilation=ones))


def _depthwise(kernel: Tensor) -> Tensor:
    count = kernel.ndim - 2
    return kernel.permute(count, count + 1, *range(count)).reshape(-1, 1, *kernel.shape[:count])


def _conv(call: LayerCall, x: Signal, weight: Tensor, groups: int, bias: Tensor | None) -> Signal:
    count = weight.ndim - 2
    source = call.spatial(x)
    stride, dilation = spread(call.option("strides", 1), count), spread(call.option("dilation_rate", 1), count)
    window = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    match call.option("padding", "valid"):
        case "same":
            sides = same_sides(source.shape[1:], window, stride)
        case "causal":
            sides = ((window[0] - 1, 0),)
        case _:
            sides = no_sides(count)
    return layers.conv(call, source, weight, bias, stride=stride, sides=sides, dilation=dilation, groups=groups)


@means(layers.conv_transpose)
def conv_transpose(call: LayerCall, x: Signal) -> Signal:
    """Transposed convolution, cropped as Keras does; kernel `[*sizes, out, in]`."""
    kernel = call.variables["kernel"]
    count = kernel.ndim - 2
    stride, dilation = (spread(call.option(key, 1), count) for key in ("strides", "dilation_rate"))
    extra = call.option("output_padding")
    extras = (None,) * count if extra is None else spread(extra, count)
    ends = [
        _crop(d * (k - 1) + 1, s, call.option("padding", "valid"), e)
        for k, s, d, e in zip(kernel.shape[:count], stride, dilation, extras, strict=True)
    ]
    missing = tuple(max(-behind, 0) for _, behind in ends)
    if any(n >= max(s, d) for n, s, d in zip(missing, stride, dilation, strict=True)):
        raise Refused("its output_padding reaches beyond the stride; leave it out")
    whole = layers.conv_transpose(
        call,
        call.spatial(x),
        kernel.permute(count + 1, count, *range(count)),
        call.variables.get("bias"),
        stride=stride,
        crops=tuple((front, max(behind, 0)) for front, behind in ends),
        output_padding=missing,
        dilation=dilation,
    )
    return activate(call, whole)


def _crop(window: int, stride: int, padding: str, extra: int | None) -> tuple[int, int]:
    """How much of the full transposed convolution Keras cuts off in front and behind; below zero it adds."""
    if padding == "valid":
        return 0, -(max(window, stride) - window if extra is None else extra)
    total = stride + window - 2 if extra is None else window + window % 2 - 2 + extra
    front = min(total - total // 2, window - 1)
    return window - 1 - front, window - 1 - (total - front)


@means(layers.embedding)
def embedding(call: LayerCall, x: Signal) -> Signal:
    """Rows of a table; table `[entries, size]`."""
    if call.option("mask_zero", False):
        raise Refused("masks what is zero, so that later layers skip it; use mask_zero=False")
    return layers.embedding(call, call.variables["embeddings"], x)


WEIGHTED: dict[str, Translator] = {
    "Dense": dense,
    "Embedding": embedding,
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), conv),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), depthwise_conv),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), separable_conv),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), conv_transpose),
}
