"""Which variables a Keras layer keeps, in the order in which Keras stores them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NEVER_TRAINED = frozenset({"moving_mean", "moving_variance", "mean", "variance", "count"})


def variables(kind: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a layer's variables; those that are trained come first."""
    bias = ("bias",) if options.get("use_bias", True) else ()
    gains = tuple(name for name, key in (("gamma", "scale"), ("beta", "center")) if options.get(key, True))
    match kind:
        case "Dense" | "DepthwiseConv1D" | "DepthwiseConv2D":
            return ("kernel", *bias)
        case "Conv1D" | "Conv2D" | "Conv3D" | "Conv1DTranspose" | "Conv2DTranspose" | "Conv3DTranspose":
            return ("kernel", *bias)
        case "SeparableConv1D" | "SeparableConv2D":
            return ("depthwise_kernel", "pointwise_kernel", *bias)
        case "BatchNormalization":
            return (*gains, "moving_mean", "moving_variance")
        case "LayerNormalization":
            return gains[:1] if options.get("rms_scaling", False) else gains
        case "GroupNormalization":
            return gains
        case "RMSNormalization":
            return ("scale",)
        case "Embedding":
            return ("embeddings",)
        case "LSTM" | "GRU" | "SimpleRNN":
            return ("kernel", "recurrent_kernel", *bias)
        case "MultiHeadAttention":
            parts = ("kernel", *bias)
            return tuple(f"{layer}/{part}" for layer in ("query", "key", "value", "output") for part in parts)
        case "PReLU":
            return ("alpha",)
        case "Normalization":
            return () if "mean" in options else ("mean", "variance", "count")
        case _:
            return ()


def places(kind: str, names: Sequence[str]) -> Iterator[str]:
    """Where a `.keras` file keeps the variables of these names, below the layer's own place."""
    counts: dict[str, int] = {}
    for name in names:
        inner = "cell/" if kind in ("LSTM", "GRU", "SimpleRNN") else ""
        inner = f"{name.partition('/')[0]}_dense/" if "/" in name else inner
        number = counts[inner] = counts.get(inner, -1) + 1
        yield f"{inner}vars/{number}"
