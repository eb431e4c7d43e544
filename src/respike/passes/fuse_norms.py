"""Norms that were written as a signal and the root of its own squares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from respike.errors import UnsupportedOperator
from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    Add,
    Divide,
    ElementwiseAffine,
    FixedLinear,
    LayerNorm,
    Multiply,
    Network,
    Node,
    Permute,
    ReLU,
    RMSNorm,
    Root,
)
from respike.passes.draft import Draft
from respike.passes.drop_unused import drop_unused

_TINY = 1e-5
"""A bound of lengths that keeps quotients from 0 / 0, and is none of the values themselves."""


def fuse_norms(network: Network) -> Network:
    """`x / (√(mean(x²) + ε) + η)`, and `x` times one over that, as the one node `RMSNorm`; with a sum, scaled.

    That is how models and files spell root-mean-square norms, and with a sum, and perhaps a tiny bound from below,
    vectors of the length 1 (`F.normalize`). With `x = w (y - mean(y))` they are layer norms: the node `LayerNorm`.

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
class _Length:
    """`√(factor · mean(x²) + epsilon) + added`, the mean over some dimensions."""

    x: str
    dims: tuple[int, ...]
    factor: float
    epsilon: float
    added: float


def _fuse(draft: Draft, name: str, x: str, root: str) -> None:
    """Puts a norm in the place of `x / root`, if that is one."""
    length = _length(draft, root)
    if length is None:
        return
    scale = torch.ones((), dtype=draft.dtype)
    node = draft.nodes[x]
    if not _same(draft, x, length.x) and isinstance(node, ElementwiseAffine) and not bool(node.shift.any()):
        x, scale = node.inputs[0], node.scale
    if not _same(draft, x, length.x):
        return
    if not math.isclose(length.factor, 1.0, rel_tol=1e-6):
        scale = scale * length.factor**-0.5
    if bool((scale == 1).all()):
        put = _norm(draft, name, length)
    else:
        put = _norm(draft, f"{name}.norm", length)
        put.append(ElementwiseAffine(name, (put[-1].name,), scale, torch.zeros_like(scale)))
    nodes = [new for node in draft.nodes.values() for new in (put if node.name == name else [node])]
    draft.nodes = {node.name: node for node in nodes}


def _norm(draft: Draft, name: str, length: _Length) -> list[Node]:
    """What divides a value by its length, the last of them by that name: a layer norm where the value has no mean."""
    epsilon, added = length.epsilon / length.factor, length.added * length.factor**-0.5
    centred = _centred(draft, length.x)
    if centred is None or centred[1] != length.dims:
        return [RMSNorm(name, (length.x,), length.dims, epsilon, added)]
    source, dims = centred
    shape = draft.shapes[source]
    order = [d for d in range(len(shape) + 1) if d not in dims] + list(dims)
    sizes = tuple(shape[d - 1] for d in dims)
    if order == sorted(order):
        return [LayerNorm(name, (source,), sizes, None, None, epsilon, added)]
    moved = Permute(f"{name}.moved", (source,), tuple(order))
    norm = LayerNorm(f"{name}.last", (moved.name,), sizes, None, None, epsilon, added)
    return [moved, norm, Permute(name, (norm.name,), tuple(order.index(d) for d in range(len(order))))]


def _same(draft: Draft, first: str, second: str) -> bool:
    """Whether two values are one, or the same one without its mean, which programs compute once more for a variance."""
    return first == second or ((found := _centred(draft, first)) is not None and found == _centred(draft, second))


def _centred(draft: Draft, name: str) -> tuple[str, tuple[int, ...]] | None:
    """The value that `x - mean(x)` is made of, and the dimensions of the mean; None for other values."""
    node = draft.nodes[name]
    if not isinstance(node, Add) or len(node.inputs) != 2:
        return None
    for x, less in (node.inputs, node.inputs[::-1]):
        negative = draft.nodes[less]
        if isinstance(negative, ElementwiseAffine) and _is(negative, -1.0, 0.0):
            source, dims, factor = _averaged(draft, draft.nodes[negative.inputs[0]])
            if source.name == x and dims and math.isclose(factor, 1.0, rel_tol=1e-6):
                return x, dims
    return None


def _averaged(draft: Draft, node: Node) -> tuple[Node, tuple[int, ...], float]:
    """The value that a node averages, the dimensions, and the multiple of the mean that it is."""
    dims: list[int] = []
    factor = 1.0
    while isinstance(node, AdaptiveAvgPool | FixedLinear) and (summed := _summed(draft, node)) is not None:
        dims += summed[0]
        factor *= summed[1]
        node = draft.nodes[node.inputs[0]]
    return node, tuple(sorted(dims)), factor


def _inverted(draft: Draft, name: str) -> str | None:
    """What a value is one over."""
    while isinstance(node := draft.nodes[name], ElementwiseAffine) and _is(node, 1.0, 0.0):
        name = node.inputs[0]
    if not isinstance(node, Divide):
        return None
    above = draft.nodes[node.inputs[0]]
    return node.inputs[1] if isinstance(above, ElementwiseAffine) and _is(above, 0.0, 1.0) else None


def _length(draft: Draft, name: str) -> _Length | None:
    """What a value is the root of, which may be repeated along dimensions and bounded by a tiny number from below."""
    node, bound = draft.nodes[name], 0.0
    while isinstance(node, FixedLinear) and node.matrix.shape[1] == 1 and bool((node.matrix == 1).all()):
        node = draft.nodes[node.inputs[0]]
    if (bounded := _bounded(draft, node)) is not None:
        node, bound = bounded
    node, outer, added = _grown(draft, node)
    if not isinstance(node, Activation) or not isinstance(node.function, Root):
        return None
    node, inner, epsilon = _grown(draft, draft.nodes[node.inputs[0]])
    node, dims, factor = _averaged(draft, node)
    match node:
        case Multiply(inputs=(first, second)) if first == second and dims:
            return _Length(first, dims, outer**2 * inner * factor, outer**2 * epsilon + bound**2, added)
        case _:
            return None


def _grown(draft: Draft, node: Node) -> tuple[Node, float, float]:
    """The value `x` of `scale · x + shift`, with one number above 0 and one from 0 on."""
    scale, shift = 1.0, 0.0
    while isinstance(node, ElementwiseAffine):
        each, more = float(node.scale.flatten()[0]), float(node.shift.flatten()[0])
        if not _is(node, each, more) or each <= 0 or more < 0:
            break
        scale, shift = scale * each, shift + scale * more
        node = draft.nodes[node.inputs[0]]
    return node, scale, shift


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
