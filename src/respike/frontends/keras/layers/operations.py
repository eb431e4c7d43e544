"""What `x + y` and `keras.ops` write into a functional model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from respike.frontends.keras.call import LayerCall
from respike.frontends.keras.layers.activations import NAMED, named
from respike.frontends.keras.layers.merging import aligned
from respike.frontends.semantics import (
    Refused,
    Signal,
    Translator,
    activations,
    arithmetic,
    matrices,
    pooling,
    products,
    shaping,
)
from respike.frontends.semantics.call import Operand
from respike.frontends.semantics.meaning import meanings_of, means
from respike.ir import Erf

_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def broadcasting(function: Callable[..., Signal]) -> Translator:
    """An operator of two operands, signals of one rank or a signal and a number."""

    @means(function)
    def translate(call: LayerCall, *operands: Operand) -> Signal:
        signals = [x for x in operands if isinstance(x, Signal)]
        if not signals:
            raise Refused("computes with numbers alone; give it a layer's value")
        if len({x.ndim for x in signals}) != 1:
            raise Refused("broadcasts the batch; use the layers Add or Multiply, or reshape the smaller one")
        ordered = iter(aligned(call, signals))
        return function(call, *(next(ordered) if isinstance(x, Signal) else x for x in operands))

    return translate


def on_plain(function: Callable[..., Any]) -> Translator:
    """An operator that reads dimensions where Keras has them."""
    return means(function)(
        lambda call, *operands: function(call, *(call.plain(x) if isinstance(x, Signal) else x for x in operands))
    )


def told(function: Callable[..., Any], *options: str) -> Translator:
    """An operator of one signal with these options, in the order of the function's arguments."""
    return means(function)(
        lambda call, x, *more: function(call, call.plain(x), *(call.option(name) for name in options), *more)
    )


def reduced(along: Callable[..., Signal], **options: Any) -> Translator:
    """A reduction along axes, or of all but the batch where none is named, which Keras reduces too: refused."""

    @means(along)
    def translate(call: LayerCall, x: Signal) -> Signal:
        return along(call, x, several(call.option("axis")), keepdim=bool(call.option("keepdims", False)), **options)

    return translate


def several(axes: int | Sequence[int] | None) -> Sequence[int]:
    """Axes as a list."""
    return () if axes is None else (axes,) if isinstance(axes, int) else axes


@means(shaping.reshape)
def reshape(call: LayerCall, x: Signal) -> Signal:
    """The same elements in another shape, whose first size is the batch."""
    batch, *rest = call.option("newshape")
    total = math.prod(x.shape)
    if batch != -1 and rest.count(-1) != 1:
        raise Refused("gives the batch a fixed size; write -1 for it")
    known = math.prod(n for n in rest if n != -1)
    return shaping.reshape(call, call.plain(x), [total // known if n == -1 and known else n for n in rest])


@means(shaping.split)
def split(call: LayerCall, x: Signal) -> tuple[Signal, ...]:
    """So many pieces of one size, or pieces between places."""
    parts, axis = call.option("indices_or_sections"), call.option("axis", 0)
    return shaping.tensor_split(call, call.plain(x), parts if isinstance(parts, int) else tuple(parts), axis)


@means(shaping.gather)
def take(call: LayerCall, x: Signal, places: Any) -> Signal:
    """Elements along an axis by fixed numbers."""
    axis = call.option("axis")
    if axis is None or isinstance(places, Signal):
        raise Refused("takes elements of the flattened batch, or by numbers that depend on the input; name the axis")
    if isinstance(places, int):
        return shaping.select(call, call.plain(x), axis, places)
    return shaping.gather(call, call.plain(x), axis, tuple(places))


@means(shaping.slice_, shaping.select)
def getitem(call: LayerCall, x: Signal, places: Any) -> Signal:
    """`x[:, 1:3]`, `x[:, -1]`, `x[:, None]`: slices, single places and new axes."""
    source, dim = call.plain(x), 0
    for place in places if isinstance(places, tuple) else (places,):
        if isinstance(place, int):
            source = shaping.select(call, source, dim, place)
        elif isinstance(place, slice):
            if dim != source.layout.batch or place != slice(None):
                source = shaping.slice_(call, source, dim, place.start, place.stop, place.step or 1)
            dim += 1
        elif place is None:
            source = shaping.unsqueeze(call, source, (dim,))
            dim += 1
        else:
            raise Refused("is indexed by something other than slices and numbers; use keras.ops.take")
    return source


@means(matrices.pad)
def pad(call: LayerCall, x: Signal, value: Any = None) -> Signal:
    """A constant around the input, or its own elements."""
    widths, mode = call.option("pad_width"), call.option("mode", "constant")
    sides = [(n, n) if isinstance(n, int) else tuple(n) for n in ([widths] if isinstance(widths, int) else widths)]
    sides = sides * x.ndim if len(sides) == 1 else sides
    amounts = [n for side in reversed(sides) for n in side]
    return matrices.pad(call, call.plain(x), amounts, _PAD_MODES.get(mode, mode), float(value or 0.0))


@means(shaping.roll)
def roll(call: LayerCall, x: Signal) -> Signal:
    """The last elements of an axis put in front of the others."""
    axes = call.option("axis")
    if axes is None:
        raise Refused("rolls the flattened batch; name the axis")
    return shaping.roll(call, call.plain(x), several(call.option("shift")), several(axes))


@means(matrices.repeat_interleave)
def repeat(call: LayerCall, x: Signal) -> Signal:
    """Each element along an axis so and so often."""
    times, axis = call.option("repeats"), call.option("axis")
    if axis is None or not isinstance(times, int):
        raise Refused("repeats the flattened batch, or elements by different numbers; name the axis, and one number")
    return matrices.repeat_interleave(call, call.plain(x), times, axis)


@means(shaping.permute)
def transpose(call: LayerCall, x: Signal) -> Signal:
    """Axes in another order, the opposite one if none is given."""
    return shaping.permute(call, call.plain(x), call.option("axes") or tuple(reversed(range(x.ndim))))


@means(shaping.permute)
def moveaxis(call: LayerCall, x: Signal) -> Signal:
    """One axis moved to another place."""
    source, target = several(call.option("source")), several(call.option("destination"))
    order = [d for d in range(x.ndim) if d not in {s % x.ndim for s in source}]
    for place, dim in sorted((t % x.ndim, s % x.ndim) for s, t in zip(source, target, strict=True)):
        order.insert(place, dim)
    return shaping.permute(call, call.plain(x), order)


@means(shaping.unsqueeze)
def expand_dims(call: LayerCall, x: Signal) -> Signal:
    """New axes of size one."""
    return shaping.unsqueeze(call, call.plain(x), several(call.option("axis")))


@means(shaping.squeeze)
def squeeze(call: LayerCall, x: Signal) -> Signal:
    """Without axes of size one."""
    axis = call.option("axis")
    return shaping.squeeze(call, call.plain(x), None if axis is None else several(axis))


def triangle(*, upper: bool) -> Translator:
    """Zeros above a diagonal, or below it."""
    return means(arithmetic.triangle)(
        lambda call, x: arithmetic.triangle(call, call.plain(x), call.option("k", 0), upper=upper)
    )


def filled(value: float) -> Translator:
    """One number in the shape of a signal."""
    return means(shaping.filled_like)(lambda call, x: shaping.filled_like(call, call.plain(x), value))


def _activation(name: str) -> Translator:
    return means(*meanings_of(NAMED[name]))(lambda call, x: named(call, x, name))


@means(activations.gelu)
def gelu(call: LayerCall, x: Signal) -> Signal:
    """`x · Φ(x)`, by tanh unless told otherwise."""
    return activations.gelu(call, x, "tanh" if call.option("approximate", True) else "none")


def _plain(call: LayerCall, parts: Sequence[Any]) -> list[Any]:
    return [call.plain(part) if isinstance(part, Signal) else part for part in parts]


def joined(function: Callable[..., Signal]) -> Translator:
    """An operator of a list of values along an axis."""
    return means(function)(lambda call, parts: function(call, _plain(call, parts), call.option("axis", 0)))


OPERATIONS: dict[str, Translator] = {
    "Add": broadcasting(arithmetic.add),
    "Subtract": broadcasting(arithmetic.sub),
    "Multiply": broadcasting(arithmetic.mul),
    **dict.fromkeys(("TrueDivide", "Divide"), broadcasting(arithmetic.div)),
    "Reciprocal": arithmetic.reciprocal,
    "Negative": arithmetic.negative,
    **dict.fromkeys(("Abs", "Absolute"), activations.absolute),
    "Maximum": broadcasting(activations.maximum),
    "Minimum": broadcasting(activations.minimum),
    "Square": arithmetic.square,
    "Tril": triangle(upper=False),
    "Triu": triangle(upper=True),
    "Power": arithmetic.power,
    "Sqrt": arithmetic.root,
    "Rsqrt": arithmetic.inverse_root,
    "Matmul": on_plain(products.matmul),
    "Clip": told(activations.clamp, "x_min", "x_max"),
    "Erf": activations.of(Erf()),
    "Floor": activations.floor,
    "Ceil": activations.ceil,
    "Round": told(activations.round_, "decimals"),
    "StopGradient": shaping.unchanged,
    "Threshold": told(activations.threshold, "threshold", "default_value"),
    "LeakyRelu": told(activations.leaky_relu, "negative_slope"),
    "Elu": told(activations.elu, "alpha"),
    "Celu": told(activations.celu, "alpha"),
    "Glu": told(activations.glu, "axis"),
    "SoftShrink": told(activations.shrink, "threshold"),
    "Gelu": gelu,
    **{
        name: _activation(key)
        for name, key in (
            *(("Relu", "relu"), ("Relu6", "relu6"), ("Sigmoid", "sigmoid"), ("Tanh", "tanh"), ("Silu", "silu")),
            *(("HardSigmoid", "hard_sigmoid"), ("HardSilu", "hard_silu"), ("HardTanh", "hard_tanh"), ("Selu", "selu")),
            *(("Softplus", "softplus"), ("LogSigmoid", "log_sigmoid")),
        )
    },
    "Softmax": told(products.softmax, "axis"),
    "LogSoftmax": told(products.log_softmax, "axis"),
    "Mean": reduced(matrices.mean),
    "Sum": reduced(matrices.total),
    "Var": reduced(matrices.variance, correction=0),
    "Std": reduced(matrices.deviation, correction=0),
    **dict.fromkeys(("Max", "Amax"), reduced(pooling.largest)),
    **dict.fromkeys(("Min", "Amin"), reduced(pooling.smallest)),
    "Cumsum": told(matrices.cumulative_sum, "axis"),
    "Pad": pad,
    "Repeat": repeat,
    "Tile": told(shaping.repeat, "repeats"),
    "Flip": means(matrices.flip)(lambda call, x: matrices.flip(call, x, several(call.option("axis")))),
    "Roll": roll,
    "Reshape": reshape,
    "ExpandDims": expand_dims,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Swapaxes": told(shaping.transpose, "axis1", "axis2"),
    "Moveaxis": moveaxis,
    "Concatenate": joined(shaping.concat),
    "Stack": joined(shaping.stack),
    "Split": split,
    "Take": take,
    "GetItem": getitem,
    "ZerosLike": filled(0.0),
    "OnesLike": filled(1.0),
}
