"""Dense layers and convolutions."""

from __future__ import annotations

from torch import Tensor

from respike.frontends.keras.call import Call, Signal, Translator
from respike.frontends.keras.layers.activations import activate
from respike.frontends.keras.layers.windows import Sides, padded, same_sides, spread
from respike.frontends.semantics import Refused
from respike.ir import Conv, ConvTranspose, Linear, Pad


def dense(call: Call, x: Signal) -> Signal:
    """`x K + b` over the last axis; kernel `[in, out]`."""
    weight = call.variables["kernel"].t().contiguous()
    node = Linear(call.name, (call.draft.plain(x),), weight, call.variables.get("bias"))
    return activate(call, Signal(call.emit(node)))


def conv(call: Call, x: Signal) -> Signal:
    """Convolution; kernel `[*sizes, in / groups, out]`."""
    kernel = call.variables["kernel"]
    count = kernel.ndim - 2
    weight = kernel.permute(-1, -2, *range(count))
    return activate(call, _conv(call, x, weight, call.option("groups", 1), call.variables.get("bias")))


def depthwise_conv(call: Call, x: Signal) -> Signal:
    """Convolution of each channel by itself; kernel `[*sizes, in, multiplier]`."""
    kernel = call.variables["kernel"]
    return activate(call, _conv(call, x, _depthwise(kernel), kernel.shape[-2], call.variables.get("bias")))


def separable_conv(call: Call, x: Signal) -> Signal:
    """A depthwise convolution and then one of size 1 over all channels."""
    kernel, pointwise = call.variables["depthwise_kernel"], call.variables["pointwise_kernel"]
    count = kernel.ndim - 2
    inner = _conv(call.inner("depthwise"), x, _depthwise(kernel), kernel.shape[-2], None)
    weight = pointwise.permute(-1, -2, *range(count)).contiguous()
    ones, zeros = (1,) * count, (0,) * count
    node = Conv(call.name, (inner.name,), weight, call.variables.get("bias"), ones, zeros, ones)
    return activate(call, call.given(call.emit(node)))


def _depthwise(kernel: Tensor) -> Tensor:
    count = kernel.ndim - 2
    return kernel.permute(count, count + 1, *range(count)).reshape(-1, 1, *kernel.shape[:count])


def _conv(call: Call, x: Signal, weight: Tensor, groups: int, bias: Tensor | None) -> Signal:
    count = weight.ndim - 2
    name = call.spatial(x)
    stride = spread(call.option("strides", 1), count)
    dilation = spread(call.option("dilation_rate", 1), count)
    window = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    sides: Sides
    match call.option("padding", "valid"):
        case "same":
            sides = same_sides(call.draft.shape(name)[1:], window, stride)
        case "causal":
            sides = ((window[0] - 1, 0),)
        case _:
            sides = ((0, 0),) * count
    name, padding = padded(call, name, sides)
    return call.given(call.emit(Conv(call.name, (name,), weight.contiguous(), bias, stride, padding, dilation, groups)))


def conv_transpose(call: Call, x: Signal) -> Signal:
    """Transposed convolution, cropped as Keras does; kernel `[*sizes, out, in]`."""
    kernel = call.variables["kernel"]
    count = kernel.ndim - 2
    stride, dilation = (spread(call.option(key, 1), count) for key in ("strides", "dilation_rate"))
    extra = call.option("output_padding")
    extras = (None,) * count if extra is None else spread(extra, count)
    crops = [
        _crop(d * (k - 1) + 1, s, call.option("padding", "valid"), e)
        for k, s, d, e in zip(kernel.shape[:count], stride, dilation, extras, strict=True)
    ]
    missing = tuple(max(-behind, 0) for _, behind in crops)
    if any(n >= max(s, d) for n, s, d in zip(missing, stride, dilation, strict=True)):
        raise Refused("its output_padding reaches beyond the stride; leave it out")
    even = all(front == behind for front, behind in crops)
    padding = tuple(front if even else 0 for front, _ in crops)
    weight = kernel.permute(count + 1, count, *range(count)).contiguous()
    inputs = (call.spatial(x),)
    bias = call.variables.get("bias")
    name = call.emit(ConvTranspose(call.name, inputs, weight, bias, stride, padding, missing, dilation))
    if not even:
        amounts = tuple(-max(n, 0) for crop in reversed(crops) for n in crop)
        name = call.emit(Pad(f"{call.name}.crop", (name,), amounts)) if any(amounts) else name
    return activate(call, call.given(name))


def _crop(window: int, stride: int, padding: str, extra: int | None) -> tuple[int, int]:
    """How much of the full transposed convolution Keras cuts off in front and behind; below zero it adds."""
    if padding == "valid":
        return 0, -(max(window, stride) - window if extra is None else extra)
    total = stride + window - 2 if extra is None else window + window % 2 - 2 + extra
    front = min(total - total // 2, window - 1)
    return window - 1 - front, window - 1 - (total - front)


WEIGHTED: dict[str, Translator] = {
    "Dense": dense,
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), conv),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), depthwise_conv),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), separable_conv),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), conv_transpose),
}
