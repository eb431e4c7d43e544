"""Average pools as sums, which are integers where their inputs are."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from respike.errors import InvalidPlan
from respike.ir import AdaptiveAvgPool, AvgPool, apply


def summing(node: AvgPool | AdaptiveAvgPool, shape: tuple[int, ...]) -> AvgPool:
    """The pool that sums what `node` averages."""
    if isinstance(node, AvgPool):
        return replace(node, divisor=1)
    sizes = shape[len(shape) - len(node.output_size) :]
    if any(size % parts for size, parts in zip(sizes, node.output_size, strict=True)):
        raise InvalidPlan(
            f"layer {node.name!r} averages {list(sizes)} into {list(node.output_size)}, windows of different sizes, "
            "which have no common scale: use a size that divides, or a Linear map"
        )
    kernel = tuple(size // parts for size, parts in zip(sizes, node.output_size, strict=True))
    return AvgPool(node.name, node.inputs, kernel, kernel, (0,) * len(kernel), divisor=1)


def divisor(node: AvgPool | AdaptiveAvgPool, shape: tuple[int, ...]) -> Tensor:
    """By what the sum over each window is divided; `[1, 1, …]`, of size 1 along space where all are the same."""
    dimensions = len(node.kernel if isinstance(node, AvgPool) else node.output_size)
    ones = torch.ones(1, *(1,) * (len(shape) - dimensions), *shape[len(shape) - dimensions :], dtype=torch.float64)
    by = (apply(summing(node, shape), (ones,)) / apply(node, (ones,))).round()
    return by.flatten()[0].reshape((1,) * by.ndim) if bool((by == by.flatten()[0]).all()) else by
