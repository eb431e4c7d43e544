"""Norms that were written as a signal and its own root mean square."""

from __future__ import annotations

import torch

from respike.errors import UnsupportedOperator
from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    Divide,
    ElementwiseAffine,
    FixedLinear,
    Multiply,
    Network,
    RMSNorm,
    Root,
)
from respike.passes.draft import Draft
from respike.passes.drop_unused import drop_unused


def fuse_norms(network: Network) -> Network:
    """`x / √(mean(x²) + ε)` and `x · (1 / √(mean(x²) + ε))` as the one node `RMSNorm`.

    That is how models and files spell root-mean-square norms, and with `x = y - mean(y)` layer norms.

    Raises:
        UnsupportedOperator: a square root that is part of no such norm.
    """
    draft = Draft(network)
    for node in network.nodes:
        match node:
            case Divide(inputs=(x, root)):
                _fuse(draft, node.name, x, root)
            case Multiply(inputs=(first, second)):
                for x, factor in ((first, second), (second, first)):
                    if (below := _inverted(draft, factor)) is not None:
                        _fuse(draft, node.name, x, below)
            case _:
                pass
    fused = drop_unused(draft.network())
    if left := [node.name for node in fused.activations if isinstance(node.function, Root)]:
        raise UnsupportedOperator(
            f"{', '.join(map(repr, left))} takes the square root of a signal, which respike reads in root-mean-square "
            "norms alone, x / sqrt(mean(x * x) + epsilon); use BatchNorm, LayerNorm or RMSNorm"
        )
    return fused


def _fuse(draft: Draft, name: str, x: str, root: str) -> None:
    """Puts a norm in the place of `x / root`, if that is one."""
    node = draft.nodes[root]
    if isinstance(node, Activation) and isinstance(node.function, Root):
        found = _mean_square(draft, node)
        if found is not None and found[0] == x:
            _, dims, epsilon = found
            draft.replace(RMSNorm(name, (x,), dims, epsilon))


def _inverted(draft: Draft, name: str) -> str | None:
    """What a value is one over."""
    while isinstance(node := draft.nodes[name], ElementwiseAffine) and _is(node, 1.0, 0.0):
        name = node.inputs[0]
    if not isinstance(node, Divide):
        return None
    above = draft.nodes[node.inputs[0]]
    return node.inputs[1] if isinstance(above, ElementwiseAffine) and _is(above, 0.0, 1.0) else None


def _mean_square(draft: Draft, root: Activation) -> tuple[str, tuple[int, ...], float] | None:
    """The x, the dimensions and the ε of `√(mean(x²) + ε)`; None where a root is of something else."""
    node, epsilon = draft.nodes[root.inputs[0]], 0.0
    if isinstance(node, ElementwiseAffine):
        shift = node.shift.flatten()
        if not bool((node.scale == 1).all()) or not bool((shift == shift[0]).all()) or float(shift[0]) < 0:
            return None
        node, epsilon = draft.nodes[node.inputs[0]], float(shift[0])
    dims: list[int] = []
    while isinstance(node, AdaptiveAvgPool | FixedLinear):
        averaged = _averaged(draft, node)
        if averaged is None:
            return None
        dims += averaged
        node = draft.nodes[node.inputs[0]]
    match node:
        case Multiply(inputs=(first, second)) if first == second and dims:
            return first, tuple(sorted(dims)), epsilon
        case _:
            return None


def _averaged(draft: Draft, node: AdaptiveAvgPool | FixedLinear) -> list[int] | None:
    """The dimensions that a node puts the mean of in their place; None where it does something else."""
    before, after = draft.shapes[node.inputs[0]], draft.shapes[node.name]
    changed = [axis for axis, (size, left) in enumerate(zip(before, after, strict=True), start=1) if size != left]
    if any(after[axis - 1] != 1 for axis in changed):
        return None
    if isinstance(node, FixedLinear):
        mean = torch.full_like(node.matrix, 1 / before[node.dim - 1])
        return [node.dim] if len(node.matrix) == 1 and torch.allclose(node.matrix, mean) else None
    return changed


def _is(node: ElementwiseAffine, scale: float, shift: float) -> bool:
    return bool((node.scale == scale).all()) and bool((node.shift == shift).all())
