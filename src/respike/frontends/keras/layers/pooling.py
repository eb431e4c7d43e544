"""Pooling."""

from __future__ import annotations

from collections.abc import Callable

from respike.frontends.keras.call import LayerCall
from respike.frontends.keras.layers.windows import no_sides, same_sides
from respike.frontends.semantics import Refused, Signal, Translator, matrices, pooling
from respike.frontends.semantics.call import spread
from respike.frontends.semantics.layers import Sides
from respike.frontends.semantics.meaning import means


@means(pooling.average_pool)
def average_pooling(call: LayerCall, x: Signal) -> Signal:
    """Mean over windows; padding is not counted.

    Where "same" needs uneven padding, Keras' backends differ: TensorFlow and JAX leave the padding out of the mean,
    torch repeats the border. That is refused.
    """
    source, window, stride, sides = _windows(call, x)
    if any(front != behind for front, behind in sides):
        raise Refused(
            'averages over uneven "same" padding, which Keras computes differently on each backend; '
            'use padding="valid", or a size that the stride divides'
        )
    return pooling.average_pool(call, source, window, stride, sides, count_include_pad=False)


@means(pooling.max_pool)
def max_pooling(call: LayerCall, x: Signal) -> Signal:
    """Maximum over windows; "same" padding never wins."""
    source, window, stride, sides = _windows(call, x)
    return pooling.max_pool(call, source, window, stride, sides, (1,) * len(window))


def _windows(call: LayerCall, x: Signal) -> tuple[Signal, tuple[int, ...], tuple[int, ...], Sides]:
    source = call.spatial(x)
    count = len(source.shape) - 1
    window = spread(call.option("pool_size", 2), count)
    stride = spread(call.option("strides", window), count)
    same = call.option("padding", "valid") == "same"
    return source, window, stride, same_sides(source.shape[1:], window, stride) if same else no_sides(count)


def over_space(along: Callable[..., Signal]) -> Translator:
    """A reduction of each channel to one number."""

    @means(along)
    def translate(call: LayerCall, x: Signal) -> Signal:
        first = 2 if call.channels_first else 1
        dims = range(first, first + x.ndim - 2)
        return along(call, call.spatial(x), dims, bool(call.option("keepdims", False)))

    return translate


def adaptive(pool: Callable[..., Signal]) -> Translator:
    """Windows that give a fixed output size."""

    @means(pool)
    def translate(call: LayerCall, x: Signal) -> Signal:
        source = call.spatial(x)
        return pool(call, source, spread(call.option("output_size"), len(source.shape) - 1))

    return translate


POOLING: dict[str, Translator] = {
    **{f"AveragePooling{n}D": average_pooling for n in (1, 2, 3)},
    **{f"MaxPooling{n}D": max_pooling for n in (1, 2, 3)},
    **{f"GlobalAveragePooling{n}D": over_space(matrices.mean) for n in (1, 2, 3)},
    **{f"GlobalMaxPooling{n}D": over_space(pooling.largest) for n in (1, 2, 3)},
    **{f"AdaptiveAveragePooling{n}D": adaptive(pooling.adaptive_average_pool) for n in (1, 2, 3)},
    **{f"AdaptiveMaxPooling{n}D": adaptive(pooling.adaptive_max_pool) for n in (1, 2, 3)},
}
