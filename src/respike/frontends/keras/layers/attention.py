"""Attention."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from respike.frontends.keras.call import LayerCall
from respike.frontends.semantics import Refused, Signal, Translator, layers, products, shaping
from respike.frontends.semantics.meaning import means


@means(products.attention)
def attention(call: LayerCall, inputs: object) -> Signal:
    """`softmax(Q Kᵀ) V` of query, value and, if it is another, key."""
    query, value, key = _three(call, inputs if isinstance(inputs, tuple) else (inputs,))
    if call.option("score_mode", "dot") != "dot" or call.option("use_scale", False):
        raise Refused("scores by something other than dot products without a scale; use score_mode='dot'")
    return products.attention(call, query, key, value, scale=1.0)


@means(products.attention)
def multi_head_attention(call: LayerCall, *inputs: object) -> Signal:
    """Attention in several heads; kernels `[features, heads, size]`, and `[heads, size, features]` of the output."""
    query, value, key = _three(call, inputs)
    if query.ndim != 3 or list(call.option("attention_axes", [1])) != [1]:
        raise Refused("attends along something other than the one axis behind the batch; reshape its inputs")
    if call.option("use_gate", False) or call.option("sliding_window") is not None:
        raise Refused("gates its heads, or attends in a sliding window, which is not read; use neither")
    q, k, v = (_heads(call, x, part) for x, part in ((query, "query"), (key, "key"), (value, "value")))
    mixed = products.attention(call, q, k, v)
    joined = shaping.permute(replace(call, name=f"{call.name}.join"), mixed, (0, 2, 1, 3))
    rows = shaping.reshape(call, joined, (joined.shape[0], joined.shape[1] * joined.shape[2]))
    kernel = call.variables["output/kernel"].flatten(0, 1).t()
    return layers.linear(replace(call, name=f"{call.name}.output"), rows, kernel, call.variables.get("output/bias"))


def _three(call: LayerCall, inputs: tuple[object, ...]) -> tuple[Signal, Signal, Signal]:
    signals = [call.plain(x) for x in inputs if isinstance(x, Signal)]
    if len(signals) != len(inputs) or not 2 <= len(signals) <= 3:
        raise Refused("is given a mask or other arguments, which are not read; call it with query, value and key alone")
    return signals[0], signals[1], signals[-1]


def _heads(call: LayerCall, x: Signal, part: str) -> Signal:
    """A projection of `[batch, time, features]`, as `[batch, heads, time, size]`."""
    own = replace(call, name=f"{call.name}.{part}")
    kernel: Tensor = call.variables[f"{part}/kernel"]
    bias = call.variables.get(f"{part}/bias")
    rows = layers.linear(own, x, kernel.flatten(1).t(), None if bias is None else bias.flatten())
    apart = shaping.reshape(own, rows, (rows.shape[0], *kernel.shape[1:]))
    return shaping.permute(own, apart, (0, 2, 1, 3))


ATTENTION: dict[str, Translator] = {"Attention": attention, "MultiHeadAttention": multi_head_attention}
