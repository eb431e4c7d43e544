"""Which variables a Keras layer keeps, in the order in which Keras stores them."""

from __future__ import annotations

from collections.abc import Mapping
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
        case "Embedding":
            return ("embeddings",)
        case "PReLU":
            return ("alpha",)
        case "Normalization":
            return () if "mean" in options else ("mean", "variance", "count")
        case _:
            return ()
