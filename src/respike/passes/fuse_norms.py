"""Norms that were written as a signal and the root of its own squares."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    Node,
    ReLU,
    RMSNorm,
    Root,
)
from respike.passes.draft import Draft
from respike.passes.drop_unused import drop_unused

_TINY = 1e-5
"""A bound of lengths that keeps quotients from 0 / 0, and is none of the values themselves."""


def fuse_norms(network: Network) -> Network:
    """`x / √(mean(x²) + ε)` and `x · (1 / √(mean(x²) + ε))` as the one node `RMSNorm`; with a sum, scaled.

    That is how models and files spell root-mean-square norms, with `x = y - mean(y)` layer norms, and with a sum, and
    perhaps a tiny bound from below, vectors of the length 1 (`F.normalize`).

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
            f"{', '.join(map(repr, left))} takes the square root of a signal, which respike reads in norms alone, "
            "x / sqrt(mean(x * x) + epsilon); use BatchNorm, LayerNorm or RMSNorm"
        )
    return fused


@dataclass(frozen=True)
class _Squares:
    """`√(factor · mean(x²) + epsilon)`, the mean over some dimensions."""

    x: str
    dims: tuple[int, ...]
    factor: float
    epsilon: float


def _fuse(draft: Draft, name: str, x: str, root: str) -> None:
    """Puts a norm in the place of `x / root`, if that is one."""
    found = _squares(draft, root)
    if found is None or found.x != x:
        return
    norm = RMSNorm(name, (x,), found.dims, found.epsilon / found.factor)
    if math.isclose(found.factor, 1.0, rel_tol=1e-6):
        draft.replace(norm)
        return
    norm = RMSNorm(f"{name}.rms", (x,), found.dims, found.epsilon / found.factor)
    scale = torch.tensor(found.factor**-0.5, dtype=draft.dtype)
    put: list[Node] = [norm, ElementwiseAffine(name, (norm.name,), scale, torch.zeros_like(scale))]
    nodes = [new for node in draft.nodes.values() for new in (put if node.name == name else [node])]
    draft.nodes = {node.name: node for node in nodes}


def _inverted(draft: Draft, name: str) -> str | None:
    """What a value is one over."""
    while isinstance(node := draft.nodes[name], ElementwiseAffine) and _is(node, 1.0, 0.0):
        name = node.inputs[0]
    if not isinstance(node, Divide):
        return None
    above = draft.nodes[node.inputs[0]]
    return node.inputs[1] if isinstance(above, ElementwiseAffine) and _is(above, 0.0, 1.0) else None


def _squares(draft: Draft, name: str) -> _Squares | None:
    """What a value is the root of, which may be repeated along dimensions and bounded by a tiny number from below."""
    node, bound = draft.nodes[name], 0.0
    while isinstance(node, FixedLinear) and node.matrix.shape[1] == 1 and bool((node.matrix == 1).all()):
        node = draft.nodes[node.inputs[0]]
    if (bounded := _bounded(draft, node)) is not None:
        node, bound = bounded
    if not isinstance(node, Activation) or not isinstance(node.function, Root):
        return None
    node, epsilon = draft.nodes[node.inputs[0]], bound**2
    if isinstance(node, ElementwiseAffine):
        shift = float(node.shift.flatten()[0])
        if shift < 0 or not _is(node, 1.0, shift):
            return None
        node, epsilon = draft.nodes[node.inputs[0]], epsilon + shift
    dims, factor = [], 1.0
    while isinstance(node, AdaptiveAvgPool | FixedLinear):
        summed = _summed(draft, node)
        if summed is None:
            return None
        dims += summed[0]
        factor *= summed[1]
        node = draft.nodes[node.inputs[0]]
    match node:
        case Multiply(inputs=(first, second)) if first == second and dims:
            return _Squares(first, tuple(sorted(dims)), factor, epsilon)
        case _:
            return None


def _bounded(draft: Draft, node: Node) -> tuple[Node, float] | None:
    """The value and the bound of `max(value, bound) = bound + max(0, value - bound)`, if the bound is tiny."""
    if not isinstance(node, ElementwiseAffine):
        return None
    bound, excess = float(node.shift.flatten()[0]), draft.nodes[node.inputs[0]]
    if not 0 < bound <= _TINY or not _is(node, 1.0, bound):
        return None
    if not isinstance(excess, Activation) or excess.function != ReLU():
        return None
    below = draft.nodes[excess.inputs[0]]
    if not isinstance(below, ElementwiseAffine) or not _is(below, 1.0, -bound):
        return None
    return draft.nodes[below.inputs[0]], bound


def _summed(draft: Draft, node: AdaptiveAvgPool | FixedLinear) -> tuple[list[int], float] | None:
    """The dimensions that a node puts a multiple of their mean in the place of, and which; None for other maps."""
    before, after = draft.shapes[node.inputs[0]], draft.shapes[node.name]
    changed = [axis for axis, (size, left) in enumerate(zip(before, after, strict=True), start=1) if size != left]
    if any(after[axis - 1] != 1 for axis in changed):
        return None
    if isinstance(node, AdaptiveAvgPool):
        return changed, 1.0
    weight = float(node.matrix.flatten()[0])
    if len(node.matrix) != 1 or weight <= 0 or not bool((node.matrix == weight).all()):
        return None
    return [node.dim], weight * before[node.dim - 1]


def _is(node: ElementwiseAffine, scale: float, shift: float) -> bool:
    return bool((node.scale == scale).all()) and bool((node.shift == shift).all())
