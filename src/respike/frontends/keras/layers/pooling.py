"""Pooling."""

from __future__ import annotations

from respike.frontends.keras.call import Call, Signal, Translator
from respike.frontends.keras.layers.windows import same_sides, spread
from respike.frontends.semantics import Refused
from respike.ir import AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, MaxPool, Reshape, Slice


def average_pooling(call: Call, x: Signal) -> Signal:
    """Mean over windows; padding is not counted.

    Where "same" needs uneven padding, Keras' backends differ: TensorFlow and JAX leave the padding out of the mean,
    torch repeats the border. That is refused.
    """
    name, window, stride = _windows(call, x)
    count = len(window)
    if call.option("padding", "valid") != "same":
        return call.given(call.emit(AvgPool(call.name, (name,), window, stride, (0,) * count)))
    sides = same_sides(call.draft.shape(name)[1:], window, stride)
    if any(front != behind for front, behind in sides):
        raise Refused(
            'averages over uneven "same" padding, which Keras computes differently on each backend; '
            'use padding="valid", or a size that the stride divides'
        )
    padding = tuple(front for front, _ in sides)
    return call.given(call.emit(AvgPool(call.name, (name,), window, stride, padding, count_include_pad=False)))


def max_pooling(call: Call, x: Signal) -> Signal:
    """Maximum over windows; "same" padding never wins.

    Where the padding is uneven, the last window is one that reaches over the end (`ceil_mode`); with stride 1 there
    is no such window, so one more element is padded in front and its window dropped.
    """
    name, window, stride = _windows(call, x)
    ones = (1,) * len(window)
    if call.option("padding", "valid") != "same":
        return call.given(call.emit(MaxPool(call.name, (name,), window, stride, (0,) * len(window), ones)))
    sides = same_sides(call.draft.shape(name)[1:], window, stride)
    extra = tuple(behind - front if s == 1 else 0 for (front, behind), s in zip(sides, stride, strict=True))
    padding = tuple(front + more for (front, _), more in zip(sides, extra, strict=True))
    name = call.emit(MaxPool(call.name, (name,), window, stride, padding, ones, ceil_mode=True))
    for dim, more in enumerate(extra, start=2):
        if more:
            size = call.draft.shape(name)[dim - 1]
            name = call.emit(Slice(f"{call.name}.slice", (name,), dim, more, size))
    return call.given(name)


def _windows(call: Call, x: Signal) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    name = call.spatial(x)
    count = len(call.draft.shape(name)) - 1
    window = spread(call.option("pool_size", 2), count)
    return name, window, spread(call.option("strides", window), count)


def global_average_pooling(call: Call, x: Signal) -> Signal:
    """The mean of each channel."""
    name = call.spatial(x)
    ones = (1,) * (len(call.draft.shape(name)) - 1)
    return _kept_or_flat(call, call.emit(AdaptiveAvgPool(call.name, (name,), ones)))


def global_max_pooling(call: Call, x: Signal) -> Signal:
    """The maximum of each channel."""
    name = call.spatial(x)
    ones = (1,) * (len(call.draft.shape(name)) - 1)
    return _kept_or_flat(call, call.emit(AdaptiveMaxPool(call.name, (name,), ones)))


def _kept_or_flat(call: Call, name: str) -> Signal:
    if call.option("keepdims", False):
        return call.given(name)
    return Signal(call.emit(Reshape(f"{call.name}.flatten", (name,), call.draft.shape(name)[:1])))


POOLING: dict[str, Translator] = {
    **{f"AveragePooling{n}D": average_pooling for n in (1, 2, 3)},
    **{f"MaxPooling{n}D": max_pooling for n in (1, 2, 3)},
    **{f"GlobalAveragePooling{n}D": global_average_pooling for n in (1, 2, 3)},
    **{f"GlobalMaxPooling{n}D": global_max_pooling for n in (1, 2, 3)},
}
