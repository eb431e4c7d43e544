"""Units of values: what a one stands for. The algebra behind both lowerings.

A unit is a positive float64 tensor that broadcasts against a value `[batch, *shape]`: it has as many dimensions, each
of size 1 where the unit is the same along it. A value in unit `u` holds `x / u` in the place of `x`.

Nodes without weights can only hand units on; nodes with weights (`Weighted`) can take one unit and give another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from respike.ir import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ElementwiseAffine,
    Linear,
    MaxPool,
    Node,
    Pad,
    Permute,
    Reshape,
    Slice,
)

Weighted: TypeAlias = Linear | Conv | BatchNorm | ElementwiseAffine
Shape: TypeAlias = tuple[int, ...]


def uniform(value: float | Tensor, shape: Shape) -> Tensor:
    """A unit for values of `shape` from one number, or from one per channel."""
    numbers = torch.as_tensor(value, dtype=torch.float64)
    return numbers.reshape(1, -1, *(1,) * (len(shape) - 1))


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two units are the same everywhere."""
    return one.ndim == other.ndim and bool((one == other).all())


def along(unit: Tensor, dim: int, shape: Shape) -> Tensor:
    """A unit that varies along one dimension of a value of `shape`, as a vector over it."""
    return unit.reshape(-1).expand(shape[dim - 1])


def channel_dim(node: Linear | Conv | BatchNorm, shape: Shape) -> int:
    """The dimension (the batch is 0) of a value of `shape` along which the node's weights have a unit of their own."""
    return len(shape) if isinstance(node, Linear) else 1


def takes(node: Weighted, unit: Tensor, shape: Shape) -> bool:
    """Whether weights can take their input (or give their output) of `shape` in that unit."""
    if isinstance(node, ElementwiseAffine):
        return True
    dim = channel_dim(node, shape)
    return all(n == 1 for i, n in enumerate(unit.shape) if i != dim)


def handed_on(node: Node, units: Sequence[Tensor], shapes: Sequence[Shape], shape: Shape) -> Tensor | None:
    """The unit of the value of a node without weights, given its inputs'. None where it would mix different units."""
    unit = units[0]
    match node:
        case AvgPool(kernel=window) | MaxPool(kernel=window) | AdaptiveAvgPool(output_size=window):
            return unit if _is_uniform(unit, len(window)) else None
        case AdaptiveMaxPool(output_size=window):
            return unit if _is_uniform(unit, len(window)) else None
        case Add():
            return unit if all(same(unit, other) for other in units[1:]) else None
        case Concat(dim=dim):
            sizes = [max(along_dim) for along_dim in zip(*(u.shape for u in units), strict=True)]
            whole = [u.expand(*sizes[:dim], s[dim - 1], *sizes[dim + 1 :]) for u, s in zip(units, shapes, strict=True)]
            return _compressed(torch.cat(whole, dim))
        case Reshape():
            return _reshaped(unit, shapes[0], shape)
        case Permute(dims=dims):
            return unit.permute(dims)
        case Slice(dim=dim):
            part = slice(node.start, node.stop, node.step)
            return unit if unit.shape[dim] == 1 else unit[(slice(None),) * dim + (part,)]
        case Pad(amounts=amounts, value=value):
            if value:
                return unit if unit.numel() == 1 else None
            kept = [n if unit.shape[-1 - i // 2] > 1 else 0 for i, n in enumerate(amounts)]
            return F.pad(unit, kept, value=1.0)
        case _:
            raise TypeError(f"{node.name} has weights")


def asked_for(node: Node, unit: Tensor, number: int, shapes: Sequence[Shape], shape: Shape) -> Tensor | None:
    """The unit that input `number` of a node without weights must have, so that its value has `unit`; None if any."""
    match node:
        case AvgPool(kernel=window) | MaxPool(kernel=window) | AdaptiveAvgPool(output_size=window):
            return unit if _is_uniform(unit, len(window)) else None
        case AdaptiveMaxPool(output_size=window):
            return unit if _is_uniform(unit, len(window)) else None
        case Add():
            wide = any(n > 1 and n != m for n, m in zip(unit.shape[1:], shapes[number], strict=True))
            return None if wide else unit
        case Concat(dim=dim):
            start = sum(s[dim - 1] for s in shapes[:number])
            return unit if unit.shape[dim] == 1 else _compressed(unit.narrow(dim, start, shapes[number][dim - 1]))
        case Reshape():
            return _reshaped(unit, shape, shapes[0])
        case Permute(dims=dims):
            return unit.permute(*torch.tensor(dims).argsort().tolist())
        case Slice(dim=dim):
            return unit if unit.shape[dim] == 1 else None
        case Pad(amounts=amounts):
            return unit if _is_uniform(unit, len(amounts) // 2) else None
        case ElementwiseAffine():
            return unit if shifts_only(node) else None
        case _:
            return None


def shifts_only(node: ElementwiseAffine) -> bool:
    """Whether a node only adds a constant."""
    return bool((node.scale == 1).all())


def _is_uniform(unit: Tensor, dimensions: int) -> bool:
    """Whether a unit is the same along the last dimensions."""
    return all(n == 1 for n in unit.shape[unit.ndim - dimensions :])


def _reshaped(unit: Tensor, old: Shape, new: Shape) -> Tensor:
    return _compressed(unit.expand(1, *old).reshape(1, *new))


def _compressed(unit: Tensor) -> Tensor:
    """With size 1 wherever it is the same along a dimension."""
    for dim in range(unit.ndim):
        first = unit.narrow(dim, 0, 1)
        unit = first if bool((unit == first).all()) else unit
    return unit
