"""Products of two signals, softmax, attention."""

from __future__ import annotations

import torch

from respike.frontends.semantics import products
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, Translator
from respike.frontends.semantics.meaning import means


@means(products.softmax)
def softmax(call: Call, x: Operand, dim: int, *_: object) -> Signal:
    """`exp(x) / Σ exp(x)` along a dimension."""
    return products.softmax(call, x, dim)


@means(products.log_softmax)
def log_softmax(call: Call, x: Operand, dim: int, *_: object) -> Signal:
    """`x - log Σ exp(x)` along a dimension."""
    return products.log_softmax(call, x, dim)


@means(products.attention)
def attention(
    call: Call,
    query: Operand,
    key: Operand,
    value: Operand,
    mask: Operand | None = None,
    dropout: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Signal:
    """`softmax(scale · Q Kᵀ + mask) V` over the last two dimensions."""
    if dropout:
        raise Refused("has dropout that is on; pass dropout_p=p if self.training else 0.0")
    if enable_gqa:
        raise Refused("shares keys between groups of heads (enable_gqa); repeat the keys and values before it")
    return products.attention(call, query, key, value, mask, is_causal=is_causal, scale=scale)


aten = torch.ops.aten

PRODUCTS: dict[object, Translator] = {
    **dict.fromkeys((aten.matmul, aten.mm, aten.bmm), products.matmul),
    **dict.fromkeys((aten.softmax, aten._softmax), softmax),
    **dict.fromkeys((aten.log_softmax, aten._log_softmax), log_softmax),
    aten.scaled_dot_product_attention: attention,
}
