"""Connections as Kronecker products: which neurons each neuron reaches, dimension by dimension.

Convolutions and pools connect dimensions independently, so what a neuron reaches is a Kronecker product of one small
boolean matrix per dimension, and what it reaches through many layers follows from products of such matrices. Where
branches are added, a neuron reaches the union of what several products reach.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from respike.ir import (
    AdaptiveAvgPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    ElementwiseAffine,
    FixedLinear,
    Linear,
    MatMul,
    Multiply,
    Network,
    Node,
    Pad,
    Permute,
    Reshape,
    Slice,
)

MOST_TERMS = 32
"""So many different ways from a neuron to its targets are counted at most; with more of them neurons are probed."""


class NotFactorisedError(Exception):
    """A map that does not treat dimensions independently."""


@dataclass(frozen=True, eq=False)
class Term:
    """A Kronecker product of connections.

    `factors[d]` (`[rows, size of source dimension d]`, boolean; None is the identity) says which rows a source index
    reaches; `layout[k]` names the source dimensions whose rows make up target dimension k, slowest first.
    """

    sizes: tuple[int, ...]
    factors: tuple[Tensor | None, ...]
    layout: tuple[tuple[int, ...], ...]

    def rows(self, dim: int) -> int:
        """How many rows there are along a source dimension."""
        factor = self.factors[dim]
        return self.sizes[dim] if factor is None else len(factor)

    def matrix(self, dim: int) -> Tensor:
        """The factor of a source dimension, the identity written out, too."""
        factor = self.factors[dim]
        return torch.eye(self.sizes[dim], dtype=torch.bool) if factor is None else factor

    def columns(self, dim: int) -> Tensor:
        """How many rows each source index reaches along one dimension, `[size]`."""
        factor = self.factors[dim]
        return torch.ones(self.sizes[dim]) if factor is None else factor.sum(0)

    def comparable(self, other: Term) -> bool:
        """Whether the same rows make up the same targets in both."""
        dims = range(len(self.sizes))
        same = self.layout == other.layout and self.sizes == other.sizes
        return same and all(self.rows(dim) == other.rows(dim) for dim in dims)

    def within(self, other: Term) -> bool:
        """Whether `other` has all connections of this one; False where that takes more than comparing factors."""
        return self.comparable(other) and not any(
            bool((self.matrix(dim) & ~other.matrix(dim)).any())
            for dim, (ours, theirs) in enumerate(zip(self.factors, other.factors, strict=True))
            if ours is not theirs
        )

    def set(self, dim: int, matrix: Tensor) -> Term:
        """The same with another factor along a dimension."""
        return replace(self, factors=(*self.factors[:dim], matrix, *self.factors[dim + 1 :]))

    def axis(self, target_dim: int) -> int:
        """The one source dimension behind a target dimension."""
        if len(self.layout[target_dim]) != 1:
            raise NotFactorisedError
        return self.layout[target_dim][0]

    def times(self, target_dim: int, matrix: Tensor) -> Term:
        """A map along one target dimension put behind the connections."""
        dim = self.axis(target_dim)
        factor = self.factors[dim]
        return self.set(dim, matrix if factor is None else (matrix.float() @ factor.float()) > 0)

    def all_to_all(self, target_dim: int, outputs: int) -> Term:
        """A dense map along one target dimension: what reaches any of its rows reaches all outputs."""
        if not self.layout[target_dim]:
            raise NotFactorisedError
        first, *rest = self.layout[target_dim]
        term = self.set(first, self._any(first).expand(outputs, -1))
        for dim in rest:
            term = term.set(dim, self._any(dim))
        return replace(term, layout=(*self.layout[:target_dim], (first,), *self.layout[target_dim + 1 :]))

    def split(self, dim: int, rows: int) -> tuple[Term, int]:
        """The same connections with the rows of a dimension as `rows` times so many, and where the latter are.

        The layout is the caller's to set. Rows that are all reached alike become two dimensions, one of which belongs
        to no source dimension; where they are the source's own, the source dimension becomes two.
        """
        if self.rows(dim) % rows:
            raise NotFactorisedError
        size, factor = self.rows(dim) // rows, self.factors[dim]
        if factor is None:
            sizes = (*self.sizes[:dim], rows, size, *self.sizes[dim + 1 :])
            return replace(self, sizes=sizes, factors=(*self.factors[:dim], None, *self.factors[dim:])), dim + 1
        if bool((factor != factor[:1]).any()):
            raise NotFactorisedError
        alone = torch.ones(size, 1, dtype=torch.bool)
        sizes, factors = (*self.sizes, 1), (*self.set(dim, factor[:1].expand(rows, -1)).factors, alone)
        return replace(self, sizes=sizes, factors=factors), len(self.sizes)

    def _any(self, dim: int) -> Tensor:
        factor = self.factors[dim]
        return torch.ones(1, self.sizes[dim], dtype=torch.bool) if factor is None else factor.any(0, keepdim=True)


def through(network: Network, node: Node, position: int, term: Term) -> Term:
    """Connections continued through one node."""
    given, result = network.shapes[node.inputs[position]], network.shapes[node.name]
    match node:
        case Linear():
            return term.all_to_all(len(given) - 1, result[-1])
        case MatMul():
            return _through_product(position, term, given, result)
        case Conv():
            return _through_conv(node, term, given, result)
        case ConvTranspose():
            return _through_transposed(node, term, given, result)
        case FixedLinear():
            return term.times(node.dim - 1, (node.matrix != 0).cpu())
        case BatchNorm() | ElementwiseAffine() | Add() | Multiply():
            return _broadcast(term, given, result)
        case AvgPool():
            windows = [
                _windows(*sizes)
                for sizes in zip(
                    given[-len(node.kernel) :],
                    result[-len(node.kernel) :],
                    node.kernel,
                    node.stride,
                    node.padding,
                    (1,) * len(node.kernel),
                    strict=True,
                )
            ]
            return _along_last(term, windows)
        case AdaptiveAvgPool():
            count = len(node.output_size)
            windows = [_adaptive(i, o) for i, o in zip(given[-count:], result[-count:], strict=True)]
            return _along_last(term, windows)
        case Concat():
            before = sum(network.shapes[name][node.dim - 1] for name in node.inputs[:position])
            return term.times(node.dim - 1, _shifted(given[node.dim - 1], result[node.dim - 1], before))
        case Reshape():
            return _regrouped(term, node.shape)
        case Permute():
            return replace(term, layout=tuple(term.layout[dim - 1] for dim in node.dims[1:]))
        case Slice():
            rows = torch.eye(given[node.dim - 1], dtype=torch.bool)[node.start : node.stop : node.step]
            return term.times(node.dim - 1, rows)
        case Pad():
            for number in range(len(node.amounts) // 2):
                dim = len(given) - 1 - number
                term = term.times(dim, _shifted(given[dim], result[dim], node.amounts[2 * number]))
            return term
        case _:
            raise TypeError(f"no spikes go through {node.name!r}")


def _through_product(position: int, term: Term, given: tuple[int, ...], result: tuple[int, ...]) -> Term:
    """A matrix product: the first input meets all columns of the second one, the second all rows of the first one."""
    if len(given) != len(result):
        raise NotFactorisedError
    contracted = len(given) - 1 - position
    term = term.all_to_all(contracted, result[contracted])
    kept = (*given[:contracted], result[contracted], *given[contracted + 1 :])
    return _broadcast(term, kept, result)


def _through_conv(node: Conv, term: Term, given: tuple[int, ...], result: tuple[int, ...]) -> Term:
    term = _through_groups(term, node.groups, given[0], result[0])
    sizes = zip(given[1:], result[1:], node.weight.shape[2:], node.stride, node.padding, node.dilation, strict=True)
    return _along_last(term, [_windows(*size) for size in sizes])


def _through_transposed(node: ConvTranspose, term: Term, given: tuple[int, ...], result: tuple[int, ...]) -> Term:
    """As a convolution from the outputs to the inputs, the other way round."""
    term = _through_groups(term, node.groups, given[0], result[0])
    sizes = zip(result[1:], given[1:], node.weight.shape[2:], node.stride, node.padding, node.dilation, strict=True)
    return _along_last(term, [_windows(*size).t() for size in sizes])


def _through_groups(term: Term, groups: int, inputs: int, outputs: int) -> Term:
    if groups == 1:
        return term.all_to_all(0, outputs)
    block = torch.ones(outputs // groups, inputs // groups)
    return term.times(0, torch.kron(torch.eye(groups), block).bool())


def _along_last(term: Term, matrices: list[Tensor]) -> Term:
    """Maps along the last dimensions, one matrix each."""
    first = len(term.layout) - len(matrices)
    for number, matrix in enumerate(matrices):
        term = term.times(first + number, matrix)
    return term


def _windows(size: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    """`[outputs, size]`: which inputs stand in which window."""
    offset = torch.arange(size) - (torch.arange(outputs) * stride - padding).unsqueeze(1)
    return (offset >= 0) & (offset < kernel * dilation) & (offset % dilation == 0)


def _adaptive(size: int, outputs: int) -> Tensor:
    """`[outputs, size]`: the windows of adaptive pooling, from floor(o · size / outputs) to its next ceiling."""
    index, output = torch.arange(size), torch.arange(outputs).unsqueeze(1)
    return (index >= output * size // outputs) & (index < -(-(output + 1) * size // outputs))


def _shifted(size: int, outputs: int, before: int) -> Tensor:
    """`[outputs, size]`: the input starts at output `before` (negative crops)."""
    return torch.arange(size) + before == torch.arange(outputs).unsqueeze(1)


def _broadcast(term: Term, given: tuple[int, ...], result: tuple[int, ...]) -> Term:
    if len(given) != len(result):
        raise NotFactorisedError
    for dim, (size, outputs) in enumerate(zip(given, result, strict=True)):
        if size != outputs:
            term = term.all_to_all(dim, outputs)
    return term


def _regrouped(term: Term, shape: tuple[int, ...]) -> Term:
    """The connections behind a reshape that merges dimensions, or takes them apart where that can be said."""
    rest = [dim for group in term.layout for dim in group]
    layout: list[list[int]] = []
    for size in shape:
        group: list[int] = []
        while math.prod(map(term.rows, group)) < size:
            wanted, left = divmod(size, math.prod(map(term.rows, group)))
            dim = rest.pop(0)
            if term.rows(dim) > wanted and not left:
                term, other = term.split(dim, wanted)
                # Where a dimension was put between, those behind it have moved.
                layout = [[place + (place >= other) for place in done] for done in layout]
                rest, group = ([place + (place >= other) for place in done] for done in (rest, group))
                rest.insert(0, other)
            group.append(dim)
        if math.prod(map(term.rows, group)) != size:
            raise NotFactorisedError
        layout.append(group)
    layout[-1] += rest
    return replace(term, layout=tuple(map(tuple, layout)))


def maximal(terms: list[Term]) -> list[Term]:
    """The terms without those whose connections another one has too: a union does not change with them."""
    kept: list[Term] = []
    for term in terms:
        if not any(term.within(other) for other in kept):
            kept = [other for other in kept if not other.within(term)] + [term]
    if len(kept) > MOST_TERMS:
        raise NotFactorisedError
    return kept


def count(terms: list[Term]) -> Tensor:
    """How many targets each source neuron reaches by any of the terms.

    Along one dimension, a row is reached by some of the terms: a set of bits. A target is reached by the terms that its
    rows have in common in all dimensions, so it is enough to know how many rows of each dimension have each set.
    """
    first, *others = terms
    if not others:
        return _outer([first.columns(dim).double() for dim in range(len(first.sizes))])
    if not all(first.comparable(other) for other in others):
        raise NotFactorisedError
    bits = 2 ** torch.arange(len(terms)).reshape(-1, 1, 1)
    common = torch.tensor([2 ** len(terms) - 1])
    counts = torch.ones(1, dtype=torch.float64)
    places = []
    for dim in range(len(first.sizes)):
        sets, numbers, place = _sets_of_rows((torch.stack([term.matrix(dim) for term in terms]) * bits).sum(0))
        common, joined = torch.unique(common.unsqueeze(1) & sets, return_inverse=True)
        pairs = counts.unsqueeze(-2).unsqueeze(-1) * numbers.unsqueeze(-2)
        counts = torch.zeros(*pairs.shape[:-2], len(common), dtype=torch.float64)
        counts.index_add_(-1, joined.flatten(), pairs.flatten(-2))
        places.append(place)
    reached = counts[..., common != 0].sum(-1)
    return reached[torch.meshgrid(*places, indexing="ij")]


def _sets_of_rows(sets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Which sets of bits stand in the columns of `sets` `[rows, size]`, and how often.

    Columns with the same sets in another order are one kind. Returns the different sets `[sets]`, how many rows of each
    kind have each of them `[kinds, sets]`, and the kind of each column `[size]`.
    """
    kinds, place = torch.unique(sets.sort(0).values, dim=1, return_inverse=True)
    different = torch.unique(kinds)
    return different, (kinds.unsqueeze(-1) == different).sum(0).double(), place


def _outer(columns: list[Tensor]) -> Tensor:
    product = torch.ones((), dtype=torch.float64)
    for column in columns:
        product = product.unsqueeze(-1) * column
    return product
