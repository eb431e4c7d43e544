"""Batch norms, and other scales and shifts, folded into the weights beside them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from respike.ir import (
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    ElementwiseAffine,
    Linear,
    Network,
    Node,
    Permute,
    Reshape,
    apply,
    batch_norm_scale,
    batch_norm_shift,
    channelwise,
    map_tensors,
)
from respike.passes.draft import Draft


def fold_batchnorm(network: Network) -> Network:
    """Every `BatchNorm` and `ElementwiseAffine` folded into neighbouring weights where that is exact.

    Behind the weights, `W' = scale · W`, `b' = scale · b + shift` (ECC Eq. 11-12), also through average pools; in front
    of them, `W' = W · scale`, `b' = b + W · shift`, also through average pools, flattening and permuting. In front of a
    convolution with zero padding the shift would have to be padded too, so there a node with a shift stays as it is.
    Sums are formed in float64.
    """
    draft = Draft(network)
    while any(_fold(draft, name) for name in tuple(draft.nodes)):
        pass
    return draft.network()


def move_shifts(network: Network) -> Network:
    """What `fold_batchnorm` leaves in front of convolutions with zero padding, as weights and a constant behind them.

    With zero padding P, `conv(P(scale · x + shift)) = conv'(P(x)) + conv(P(shift))`, where conv' has the weights
    `W · scale`. The constant differs at the border, where the padding is not shifted: it becomes an `ElementwiseAffine`
    of scale 1 behind the convolution, with one number for each position. Exports say a shift in front more easily, so
    this is for what must have no two layers of weights in a row (`lower.fixed_point`). Sums are formed in float64.
    """
    draft = Draft(network)
    for name in tuple(draft.nodes):
        gain = _gain(draft, draft.nodes[name])
        readers = draft.readers(name)
        channels = None if gain is None else gain.along(1, draft.shapes[name][0])
        if channels is None or name in draft.outputs or not all(isinstance(node, Conv) for node in readers):
            continue
        (source,) = draft.nodes[name].inputs
        for conv in readers:
            assert isinstance(conv, Conv)
            _move(draft, conv, channels)
        draft.remove(name, becomes=source)
    return draft.network()


def _move(draft: Draft, conv: Conv, gain: _Gain) -> None:
    """The gain in front of a convolution into its weights, and its shift behind it."""
    shape = draft.shapes[conv.inputs[0]]
    bare = dataclasses.replace(map_tensors(conv, Tensor.double), bias=None)
    shift = apply(bare, (channelwise(gain.shift, len(shape) + 1).expand(1, *shape),))
    scaled = _preceded(conv, _Gain(gain.scale, torch.zeros_like(gain.shift)))
    draft.replace(dataclasses.replace(scaled, bias=conv.bias))
    kind = conv.weight.dtype
    moved = f"{conv.name}.shift"
    draft.follow(conv.name, ElementwiseAffine(moved, (conv.name,), torch.ones_like(shift, dtype=kind), shift.to(kind)))


Weighted: TypeAlias = Linear | Conv | ConvTranspose


@dataclass(frozen=True, eq=False)
class _Gain:
    """`y = scale · x + shift`, both in float64 with as many dimensions as `x`, the batch among them."""

    scale: Tensor
    shift: Tensor

    def reshaped(self, *shape: int) -> _Gain:
        return _Gain(self.scale.reshape(shape), self.shift.reshape(shape))

    def expanded(self, shape: tuple[int, ...]) -> _Gain:
        return _Gain(self.scale.expand(1, *shape), self.shift.expand(1, *shape))

    def along(self, dim: int, size: int) -> _Gain | None:
        """As vectors over one dimension, if it varies along no other."""
        if any(n != 1 for t in (self.scale, self.shift) for i, n in enumerate(t.shape) if i != dim):
            return None
        return _Gain(self.scale.reshape(-1).expand(size), self.shift.reshape(-1).expand(size))

    @property
    def is_uniform_in_space(self) -> bool:
        return all(n == 1 for t in (self.scale, self.shift) for n in t.shape[2:])


def _fold(draft: Draft, name: str) -> bool:
    node = draft.nodes.get(name)
    if node is None or (gain := _gain(draft, node)) is None:
        return False
    (source,) = node.inputs
    folded = _behind(draft, source, gain) or _ahead(draft, name, gain)
    if not folded:
        return False
    for replacement in folded:
        draft.replace(replacement)
    draft.remove(name, becomes=source)
    return True


def _gain(draft: Draft, node: Node) -> _Gain | None:
    """What a node scales and shifts by; None if it does something else."""
    if not isinstance(node, BatchNorm | ElementwiseAffine):
        return None
    shape = draft.shapes[node.inputs[0]]
    ndim = len(shape) + 1
    exact = map_tensors(node, Tensor.double)
    if isinstance(exact, BatchNorm):
        return _Gain(channelwise(batch_norm_scale(exact), ndim), channelwise(batch_norm_shift(exact), ndim))
    if draft.shapes[node.name] != shape:
        return None
    scale, shift = (t.reshape((1,) * (ndim - t.ndim) + t.shape) for t in (exact.scale, exact.shift))
    return _Gain(scale, shift)


def _behind(draft: Draft, name: str, gain: _Gain) -> tuple[Weighted, ...]:
    """The weights that the value `name` comes from, with the gain folded in; nothing if that cannot be."""
    if not draft.is_read_once(name):
        return ()
    match draft.nodes[name]:
        case Linear() as node:
            ndim = len(draft.shapes[name]) + 1
            return _scaled(node, gain.along(ndim - 1, node.weight.shape[0]))
        case Conv() as node:
            return _scaled(node, gain.along(1, node.weight.shape[0]))
        case ConvTranspose() as node:
            return _scaled(node, gain.along(1, node.weight.shape[1] * node.groups))
        case AvgPool() | AdaptiveAvgPool() as node if _keeps_constants(node) and gain.is_uniform_in_space:
            return _behind(draft, node.inputs[0], gain)
        case _:
            return ()


def _scaled(node: Weighted, gain: _Gain | None) -> tuple[Weighted, ...]:
    if gain is None:
        return ()
    scale = gain.scale.unsqueeze(1)
    if isinstance(node, ConvTranspose):  # [in, out / groups]: input i of group g leads to the outputs of group g
        scale = gain.scale.reshape(node.groups, -1).repeat_interleave(node.weight.shape[0] // node.groups, 0)
    weight = node.weight.double() * scale.reshape(*scale.shape, *(1,) * (node.weight.ndim - 2))
    bias = gain.shift if node.bias is None else node.bias.double() * gain.scale + gain.shift
    return (_with(node, weight, bias),)


def _ahead(draft: Draft, name: str, gain: _Gain) -> tuple[Weighted, ...]:
    """All that the value `name` goes to, with the gain folded in; nothing unless all of it can be folded."""
    folded: list[Weighted] = []
    if name in draft.outputs:
        return ()
    for reader in draft.readers(name):
        parts = _into(draft, reader, gain)
        if not parts:
            return ()
        folded.extend(parts)
    return tuple(folded)


def _into(draft: Draft, node: Node, gain: _Gain) -> tuple[Weighted, ...]:
    shape = draft.shapes[node.inputs[0]] if node.inputs else ()
    match node:
        case Linear():
            vectors = gain.along(len(shape), node.weight.shape[1])
            return () if vectors is None else (_preceded(node, vectors),)
        case Conv():
            vectors = gain.along(1, shape[0])
            if vectors is None or (any(node.padding) and bool(vectors.shift.any())):
                return ()
            return (_preceded(node, vectors),)
        case ConvTranspose():
            vectors = gain.along(1, shape[0])
            if vectors is None or bool(vectors.shift.any()):
                return ()
            scale = vectors.scale.reshape(-1, *(1,) * (node.weight.ndim - 1))
            return (dataclasses.replace(node, weight=(node.weight.double() * scale).to(node.weight.dtype)),)
        case AvgPool() | AdaptiveAvgPool() if _keeps_constants(node) and gain.is_uniform_in_space:
            return _ahead(draft, node.name, gain)
        case Reshape():
            return _ahead(draft, node.name, gain.expanded(shape).reshaped(1, *node.shape))
        case Permute():
            return _ahead(draft, node.name, _Gain(gain.scale.permute(node.dims), gain.shift.permute(node.dims)))
        case _:
            return ()


def _preceded(node: Linear | Conv, gain: _Gain) -> Weighted:
    groups = node.groups if isinstance(node, Conv) else 1
    weight = node.weight.double()
    # Output o of group g reads the channels of group g: [out, in / groups].
    inputs = weight.shape[1]
    per_output = weight.shape[0] // groups
    scale, shift = (v.reshape(groups, inputs).repeat_interleave(per_output, 0) for v in (gain.scale, gain.shift))
    tail = (1,) * (weight.ndim - 2)
    constant = (weight * shift.reshape(*shift.shape, *tail)).flatten(1).sum(1)
    bias = constant if node.bias is None else node.bias.double() + constant
    return _with(node, weight * scale.reshape(*scale.shape, *tail), bias)


def _with(node: Weighted, weight: Tensor, bias: Tensor) -> Weighted:
    kind = node.weight.dtype
    return dataclasses.replace(node, weight=weight.to(kind).contiguous(), bias=bias.to(kind).contiguous())


def _keeps_constants(node: AvgPool | AdaptiveAvgPool) -> bool:
    """Whether the mean of a constant is that constant, at the border too."""
    if isinstance(node, AdaptiveAvgPool):
        return True
    return node.divisor in (None, math.prod(node.kernel)) and not any(node.padding)
