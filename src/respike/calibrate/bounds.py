"""Bounds on activations from the weights alone, without data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, assert_never

import torch
from torch import Tensor

from respike.errors import InvalidNetwork
from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    Analog,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    ElementwiseAffine,
    FixedLinear,
    Input,
    Linear,
    MaxPool,
    Network,
    Node,
    Pad,
    Permute,
    ReLU,
    Reshape,
    Slice,
    apply,
    evaluate,
    map_tensors,
)

Weighted: TypeAlias = Linear | Conv | ConvTranspose | FixedLinear | BatchNorm | ElementwiseAffine


def activation_bounds(network: Network, input_range: tuple[float, float] = (0.0, 1.0)) -> Mapping[str, float]:
    """The largest value that each activation can take, by interval arithmetic, layer by layer.

    Every population is taken to lie between 0 and its layer's bound, as spikes of a normalised layer do. For a chain of
    layers without biases on inputs in [0, 1] this is Diehl 2015's Algorithm 1: the product, over the layers so far, of
    each layer's largest sum of positive weights.
    """
    bounds: dict[str, float] = {}
    intervals: dict[str, tuple[Tensor, Tensor]] = {}
    for node in network.nodes:
        if isinstance(node, Input):
            zero = torch.zeros(1, *node.shape, dtype=network.dtype, device=network.device)
            intervals[node.name] = zero + input_range[0], zero + input_range[1]
            continue
        low, high = _interval(node, [intervals[name] for name in node.inputs])
        if isinstance(node, Activation):
            bounds[node.name] = float(high.max())
            low, high = torch.zeros_like(low), torch.full_like(high, bounds[node.name])
        intervals[node.name] = low, high
    return bounds


def _interval(node: Node, inputs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    lows, highs = [low for low, _ in inputs], [high for _, high in inputs]
    if isinstance(node, Analog) or (isinstance(node, Activation) and not isinstance(node.function, ReLU)):
        kind = node.function if isinstance(node, Activation) else type(node).__name__
        raise InvalidNetwork(
            f"layer {node.name!r} ({kind}) has no bound that follows from the weights; use the method few_spikes"
        )
    match node:
        case Linear() | Conv() | ConvTranspose() | FixedLinear() | BatchNorm() | ElementwiseAffine():
            middle, radius = (highs[0] + lows[0]) / 2, (highs[0] - lows[0]) / 2
            centre = apply(node, [middle])
            spread = apply(_magnitude(node), [radius], bias=False)
            return centre - spread, centre + spread
        case (
            Activation()
            | MaxPool()
            | AdaptiveMaxPool()
            | AvgPool()
            | AdaptiveAvgPool()
            | Add()
            | Concat()
            | Reshape()
            | Permute()
            | Slice()
            | Pad()
        ):
            return evaluate(node, lows), evaluate(node, highs)
        case Input():
            raise TypeError(f"{node.name} is an input")
        case _:
            assert_never(node)


def _magnitude(node: Weighted) -> Weighted:
    """The node with the magnitudes of its weights; its constant part is not used."""
    return map_tensors(node, torch.abs)
