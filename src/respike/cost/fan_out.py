"""How many neurons each neuron reaches: exact fan-out, borders included.

A synapse is a pair (source neuron, target neuron) that the affine maps between two populations connect. Average
pooling and the map behind it are one map; weights that happen to be zero count; two paths between the same pair are one
synapse. Targets are the neurons of populations, what max pools and analog nodes read, and outputs.

Convolutions and pools connect dimensions independently, so what a neuron reaches is a Kronecker product of one small
boolean matrix per dimension, and a network's fan-outs follow from products of such matrices. Where branches are added,
a neuron reaches the union of what several products reach. Networks that are not of this kind (a reshape that splits
channels) are probed neuron by neuron.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeGuard, assert_never

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from respike.errors import SlowWarning
from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    Affine,
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
    Reshape,
    Slice,
    apply,
    map_tensors,
)
from respike.record import INPUT

MOST_TERMS = 32
"""So many different ways from a neuron to its targets are counted at most; with more of them neurons are probed."""

_PATIENCE_S = 10.0


def fan_outs(network: Network) -> dict[str, Tensor]:
    """Each neuron's number of targets, `[*shape]` in float64, per activation and analog node.

    The input's stand under `INPUT`; those of several inputs one behind the other, `[elements]`.
    """
    inputs = [fan_out(network, node.name) for node in network.inputs]
    whole = inputs[0] if len(inputs) == 1 else torch.cat([counts.flatten() for counts in inputs])
    sources = (node.name for node in network.nodes if isinstance(node, Activation | Analog))
    return {name: fan_out(network, name) for name in sources} | {INPUT: whole}


def fan_out(network: Network, source: str) -> Tensor:
    """The number of targets of each neuron of the node `source`, `[*shape]` in float64."""
    try:
        reached = _reach(network, source)
        return sum((_count(reached[name]) for name in _targets(network, reached)), start=_zeros(network, source))
    except _NotFactorisedError:
        return probed_fan_out(network, source)


def probed_fan_out(network: Network, source: str, neurons_at_once: int = 64) -> Tensor:
    """The same as `fan_out`, by sending a one through each neuron alone: slow, and true by definition.

    A `SlowWarning` tells how long it is going to take where that is more than some seconds.

    Args:
        network: the network.
        source: the activation or input whose neurons are probed.
        neurons_at_once: how many of them go through the network as one batch.
    """
    shape = network.shapes[source]
    neurons = math.prod(shape)
    counts: list[Tensor] = []
    started = time.perf_counter()
    for start in range(0, neurons, neurons_at_once):
        numbers = torch.arange(start, min(start + neurons_at_once, neurons))
        counts.append(_probed(network, source, one_hot(numbers, neurons).double().reshape(-1, *shape)))
        left = (time.perf_counter() - started) * (neurons / (start + len(numbers)) - 1)
        if start == 0 and left > _PATIENCE_S:
            warnings.warn(
                f"the synapses of {source!r} are counted neuron by neuron, since the layers behind it mix channels and "
                f"positions: about {left:,.0f} s for {neurons:,} neurons",
                SlowWarning,
                stacklevel=2,
            )
    return torch.cat(counts).reshape(shape)


def _probed(network: Network, source: str, ones: Tensor) -> Tensor:
    """How many targets the ones of each sample reach, `[samples]`."""
    values = {source: ones}
    for node in network.nodes:
        if _carries(node) and not values.keys().isdisjoint(node.inputs):
            inputs = [values.get(name, ones.new_zeros(len(ones), *network.shapes[name])) for name in node.inputs]
            values[node.name] = (apply(_connections(node), inputs, bias=False) != 0).double()
    return sum((values[name].flatten(1).sum(1) for name in _targets(network, values)), start=ones.new_zeros(len(ones)))


def _carries(node: Node) -> TypeGuard[Affine]:
    """Whether spikes go through a node."""
    return not isinstance(node, Input | Activation | MaxPool | AdaptiveMaxPool | Analog)


def _connections(node: Affine) -> Affine:
    """The node with ones where its weights stand: what is connected, whatever the weights are."""
    if isinstance(node, FixedLinear):
        return replace(node, matrix=(node.matrix != 0).double().cpu())
    return map_tensors(node, lambda t: torch.ones_like(t, dtype=torch.float64, device="cpu"))


class _NotFactorisedError(Exception):
    """A map that does not treat dimensions independently."""


@dataclass(frozen=True, eq=False)
class _Term:
    """A Kronecker product of connections.

    `factors[d]` (`[rows, size of source dimension d]`, boolean; None is the identity) says which rows a source index
    reaches; `layout[k]` names the source dimensions whose rows make up target dimension k, slowest first.
    """

    sizes: tuple[int, ...]
    factors: tuple[Tensor | None, ...]
    layout: tuple[tuple[int, ...], ...]

    def rows(self, dim: int) -> int:
        factor = self.factors[dim]
        return self.sizes[dim] if factor is None else len(factor)

    def matrix(self, dim: int) -> Tensor:
        factor = self.factors[dim]
        return torch.eye(self.sizes[dim], dtype=torch.bool) if factor is None else factor

    def columns(self, dim: int) -> Tensor:
        """How many rows each source index reaches along one dimension, `[size]`."""
        factor = self.factors[dim]
        return torch.ones(self.sizes[dim]) if factor is None else factor.sum(0)

    def comparable(self, other: _Term) -> bool:
        """Whether the same rows make up the same targets in both."""
        dims = range(len(self.sizes))
        return self.layout == other.layout and all(self.rows(dim) == other.rows(dim) for dim in dims)

    def within(self, other: _Term) -> bool:
        """Whether `other` has all connections of this one; False where that takes more than comparing factors."""
        return self.comparable(other) and not any(
            bool((self.matrix(dim) & ~other.matrix(dim)).any())
            for dim, (ours, theirs) in enumerate(zip(self.factors, other.factors, strict=True))
            if ours is not theirs
        )

    def set(self, dim: int, matrix: Tensor) -> _Term:
        return replace(self, factors=(*self.factors[:dim], matrix, *self.factors[dim + 1 :]))

    def axis(self, target_dim: int) -> int:
        """The one source dimension behind a target dimension."""
        if len(self.layout[target_dim]) != 1:
            raise _NotFactorisedError
        return self.layout[target_dim][0]

    def times(self, target_dim: int, matrix: Tensor) -> _Term:
        """A map along one target dimension put behind the connections."""
        dim = self.axis(target_dim)
        factor = self.factors[dim]
        return self.set(dim, matrix if factor is None else (matrix.float() @ factor.float()) > 0)

    def all_to_all(self, target_dim: int, outputs: int) -> _Term:
        """A dense map along one target dimension: what reaches any of its rows reaches all outputs."""
        if not self.layout[target_dim]:
            raise _NotFactorisedError
        first, *rest = self.layout[target_dim]
        term = self.set(first, self._any(first).expand(outputs, -1))
        for dim in rest:
            term = term.set(dim, self._any(dim))
        return replace(term, layout=(*self.layout[:target_dim], (first,), *self.layout[target_dim + 1 :]))

    def _any(self, dim: int) -> Tensor:
        factor = self.factors[dim]
        return torch.ones(1, self.sizes[dim], dtype=torch.bool) if factor is None else factor.any(0, keepdim=True)


def _reach(network: Network, source: str) -> dict[str, list[_Term]]:
    """The connections from `source` to every node that affine maps lead to."""
    shape = network.shapes[source]
    identity = _Term(shape, (None,) * len(shape), tuple((dim,) for dim in range(len(shape))))
    reached = {source: [identity]}
    for node in network.nodes:
        if not _carries(node) or reached.keys().isdisjoint(node.inputs):
            continue
        terms: list[_Term] = []
        for position, name in enumerate(node.inputs):
            terms += [_through(network, node, position, term) for term in reached.get(name, ())]
        reached[node.name] = _maximal(terms)
    return reached


def _through(network: Network, node: Affine, position: int, term: _Term) -> _Term:
    """Connections continued through one node."""
    given, result = network.shapes[node.inputs[position]], network.shapes[node.name]
    match node:
        case Linear():
            return term.all_to_all(len(given) - 1, result[-1])
        case Conv():
            return _through_conv(node, term, given, result)
        case ConvTranspose():
            return _through_transposed(node, term, given, result)
        case FixedLinear():
            return term.times(node.dim - 1, (node.matrix != 0).cpu())
        case BatchNorm() | ElementwiseAffine() | Add():
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
            return replace(term, layout=_regroup(term, node.shape))
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
            assert_never(node)


def _through_conv(node: Conv, term: _Term, given: tuple[int, ...], result: tuple[int, ...]) -> _Term:
    term = _through_groups(term, node.groups, given[0], result[0])
    sizes = zip(given[1:], result[1:], node.weight.shape[2:], node.stride, node.padding, node.dilation, strict=True)
    return _along_last(term, [_windows(*size) for size in sizes])


def _through_transposed(node: ConvTranspose, term: _Term, given: tuple[int, ...], result: tuple[int, ...]) -> _Term:
    """As a convolution from the outputs to the inputs, the other way round."""
    term = _through_groups(term, node.groups, given[0], result[0])
    sizes = zip(result[1:], given[1:], node.weight.shape[2:], node.stride, node.padding, node.dilation, strict=True)
    return _along_last(term, [_windows(*size).t() for size in sizes])


def _through_groups(term: _Term, groups: int, inputs: int, outputs: int) -> _Term:
    if groups == 1:
        return term.all_to_all(0, outputs)
    block = torch.ones(outputs // groups, inputs // groups)
    return term.times(0, torch.kron(torch.eye(groups), block).bool())


def _along_last(term: _Term, matrices: list[Tensor]) -> _Term:
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


def _broadcast(term: _Term, given: tuple[int, ...], result: tuple[int, ...]) -> _Term:
    if len(given) != len(result):
        raise _NotFactorisedError
    for dim, (size, outputs) in enumerate(zip(given, result, strict=True)):
        if size != outputs:
            term = term.all_to_all(dim, outputs)
    return term


def _regroup(term: _Term, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The layout behind a reshape that merges dimensions, or takes apart what was merged."""
    atoms = iter([dim for group in term.layout for dim in group])
    layout: list[tuple[int, ...]] = []
    for size in shape:
        group: list[int] = []
        while math.prod(map(term.rows, group)) < size:
            group.append(next(atoms))
        if math.prod(map(term.rows, group)) != size:
            raise _NotFactorisedError
        layout.append(tuple(group))
    return (*layout[:-1], (*layout[-1], *atoms))


def _maximal(terms: list[_Term]) -> list[_Term]:
    """The terms without those whose connections another one has too: a union does not change with them."""
    kept: list[_Term] = []
    for term in terms:
        if not any(term.within(other) for other in kept):
            kept = [other for other in kept if not other.within(term)] + [term]
    if len(kept) > MOST_TERMS:
        raise _NotFactorisedError
    return kept


def _count(terms: list[_Term]) -> Tensor:
    """How many targets each source neuron reaches by any of the terms.

    Along one dimension, a row is reached by some of the terms: a set of bits. A target is reached by the terms that its
    rows have in common in all dimensions, so it is enough to know how many rows of each dimension have each set.
    """
    first, *others = terms
    if not others:
        return _outer([first.columns(dim).double() for dim in range(len(first.sizes))])
    if not all(first.comparable(other) for other in others):
        raise _NotFactorisedError
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


def _targets(network: Network, reached: dict[str, list[_Term]] | dict[str, Tensor]) -> Iterator[str]:
    """The reached nodes whose values are accumulated, once for each node or output that does so."""
    for node in network.nodes:
        if not _carries(node):
            yield from (name for name in node.inputs if name in reached)
    yield from (name for name in network.outputs if name in reached)


def _zeros(network: Network, source: str) -> Tensor:
    return torch.zeros(network.shapes[source], dtype=torch.float64)
