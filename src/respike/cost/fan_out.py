"""How many neurons each neuron reaches: exact fan-out, borders included.

A synapse is a pair (source neuron, target neuron) that the affine maps between two populations connect. Average
pooling and the map behind it are one map; weights that happen to be zero count; two paths between the same pair are one
synapse. Targets are the neurons of populations, what max pools and analog nodes read, and outputs.

Where a plan says so (`Plan.products`, `Plan.held`), spikes go through a product of two signals, each of them to all
outputs that its value is multiplied into; the spikes of the other input end there, where its values are held, and so do
those that reach a value that is held. In time the spikes of both inputs do both: they go through, each by what has
arrived of the other input, and are added to what has arrived of their own.

Convolutions and pools connect dimensions independently, so what a neuron reaches is a Kronecker product of one small
boolean matrix per dimension, and a network's fan-outs follow from products of such matrices. Where branches are added,
a neuron reaches the union of what several products reach. Where values are only moved first (rolled, cut into windows),
the fan-outs are those behind the moves, in other places. Networks that are not of this kind (a reshape that splits
channels) are probed neuron by neuron.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass, replace
from typing import TypeGuard

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
    MatMul,
    MaxPool,
    Multiply,
    Network,
    Node,
    Pad,
    Permute,
    Reshape,
    Slice,
    apply,
    map_tensors,
)
from respike.plan import Plan
from respike.record import INPUT
from respike.schedule import Layerwise

MOST_TERMS = 32
"""So many different ways from a neuron to its targets are counted at most; with more of them neurons are probed."""

_PATIENCE_S = 10.0


def fan_outs(network: Network, plan: Plan | None = None) -> dict[str, Tensor]:
    """Each neuron's number of targets, `[*shape]` in float64, per activation and analog node, and per held value.

    The input's stand under `INPUT`; those of several inputs one behind the other, `[elements]`.

    Args:
        network: the network, with the populations that the plan has on edges (`Plan.on`), as a `SpikingNetwork` has it.
        plan: says which products and held values there are; none unless given.
    """
    inputs = [fan_out(network, node.name, plan) for node in network.inputs]
    whole = inputs[0] if len(inputs) == 1 else torch.cat([counts.flatten() for counts in inputs])
    spiking, held = ({}, ()) if plan is None else (plan.products, plan.held)
    sources = (
        node.name
        for node in network.nodes
        if (isinstance(node, Activation | Analog) and node.name not in spiking) or node.name in held
    )
    return {name: fan_out(network, name, plan) for name in sources} | {INPUT: whole}


def fan_out(network: Network, source: str, plan: Plan | None = None) -> Tensor:
    """The number of targets of each neuron of a node, `[*shape]` in float64.

    Args:
        network: the network, with the populations that the plan has on edges (`Plan.on`).
        source: the activation, input, analog node or held value whose targets are counted.
        plan: says which products and held values there are; none unless given.
    """
    wires = _Wires.of(network, source, plan)
    try:
        reached = _reach(wires)
        return sum(
            (_count(reached[name]).reshape(network.shapes[source]) for name in wires.targets(reached)),
            start=_zeros(network, source),
        )
    except _NotFactorisedError:
        moved = _moved(wires)
    if moved is None:
        return probed_fan_out(network, source, plan)
    name, elements = moved
    counts = torch.zeros(1 + network.neurons(source), dtype=torch.float64)
    counts.index_add_(0, elements, fan_out(network, name, plan).flatten())
    return counts[1:].reshape(network.shapes[source])


def probed_fan_out(network: Network, source: str, plan: Plan | None = None, neurons_at_once: int = 64) -> Tensor:
    """The same as `fan_out`, by sending a one through each neuron alone: slow, and true by definition.

    A `SlowWarning` tells how long it is going to take where that is more than some seconds.

    Args:
        network: the network.
        source: the activation or input whose neurons are probed.
        plan: says which products and held values there are; none unless given.
        neurons_at_once: how many of them go through the network as one batch.
    """
    wires, shape = _Wires.of(network, source, plan), network.shapes[source]
    neurons = math.prod(shape)
    counts: list[Tensor] = []
    started = time.perf_counter()
    for start in range(0, neurons, neurons_at_once):
        numbers = torch.arange(start, min(start + neurons_at_once, neurons))
        counts.append(_probed(wires, one_hot(numbers, neurons).double().reshape(-1, *shape)))
        left = (time.perf_counter() - started) * (neurons / (start + len(numbers)) - 1)
        if start == 0 and left > _PATIENCE_S:
            warnings.warn(
                f"the synapses of {source!r} are counted neuron by neuron, since the layers behind it mix channels and "
                f"positions: about {left:,.0f} s for {neurons:,} neurons",
                SlowWarning,
                stacklevel=2,
            )
    return torch.cat(counts).reshape(shape)


@dataclass(frozen=True, eq=False)
class _Wires:
    """How far the spikes of `source` go.

    Args:
        network: the network.
        source: where they come from.
        products: the inputs of products that spikes go through, each a product's name and the input's number.
        held: the values at which they end.
        collected: whether products hold what goes through them, too.
    """

    network: Network
    source: str
    products: Collection[tuple[str, int]]
    held: Collection[str]
    collected: bool = False

    @classmethod
    def of(cls, network: Network, source: str, plan: Plan | None) -> _Wires:
        if plan is None:
            return cls(network, source, (), ())
        in_time = not isinstance(plan.schedule, Layerwise)
        both = {(name, position) for name in plan.products for position in (0, 1)}
        products = both if in_time else set(plan.products.items())
        return cls(network, source, products, [name for name in plan.held if name != source], collected=in_time)

    def through(self, node: Node, position: int) -> bool:
        """Whether spikes that a node reads as its input `position` go through it."""
        if isinstance(node, MatMul | Multiply):
            return (node.name, position) in self.products
        return _carries(node) and node.inputs[position] not in self.held

    def reading(self, node: Node, reached: Container[str]) -> list[int]:
        """The inputs by which what was reached goes on through a node."""
        return [
            position for position, name in enumerate(node.inputs) if name in reached and self.through(node, position)
        ]

    def targets(self, reached: Container[str]) -> Iterator[str]:
        """The reached values that are accumulated, once for each node or output that does so, or that holds them."""
        for node in self.network.nodes:
            if node.name in self.held and node.name in reached:
                yield node.name
            for position, name in enumerate(node.inputs):
                ends = not _carries(node) and (self.collected or not self.through(node, position))
                if ends and name in reached and name not in self.held:
                    yield name
        yield from (name for name in self.network.outputs if name in reached and name not in self.held)


def _moved(wires: _Wires) -> tuple[str, Tensor] | None:
    """The last node that all goes through behind moves alone, and the source's elements that it has, numbered from 1.

    It has each of them once at most, and its other elements have the number 0. None where there is no such node.
    """
    network, source = wires.network, wires.source
    elements = torch.arange(1, network.neurons(source) + 1, dtype=torch.float64)
    values = {source: elements.reshape(1, *network.shapes[source])}
    waiting, found = {source}, None  # waiting are moved values that something else reads, too
    for node in network.nodes:
        if not (reading := wires.reading(node, values)):
            continue
        if not isinstance(node, Concat | Pad | Permute | Reshape | Slice) or node.name in wires.held:
            break
        inputs = [
            values[name] if position in reading else torch.zeros(1, *network.shapes[name], dtype=torch.float64)
            for position, name in enumerate(node.inputs)
        ]
        values[node.name] = apply(_connections(node), inputs, bias=False)
        waiting.add(node.name)
        waiting = {name for name in waiting if not _read_within(network, name, values)}
        numbers = values[node.name].flatten().long()
        if waiting == {node.name} and bool((torch.bincount(numbers)[1:] <= 1).all()):
            found = node.name, numbers
    return found


def _read_within(network: Network, name: str, values: Container[str]) -> bool:
    """Whether all that reads a value is among these."""
    readers = network.readers(name)
    return bool(readers) and name not in network.outputs and all(node.name in values for node in readers)


def _probed(wires: _Wires, ones: Tensor) -> Tensor:
    """How many targets the ones of each sample reach, `[samples]`."""
    network, values = wires.network, {wires.source: ones}
    for node in network.nodes:
        if reading := wires.reading(node, values):
            shapes = [network.shapes[name] for name in node.inputs]
            other = torch.ones if isinstance(node, Analog) else torch.zeros
            inputs = [
                values[name] if position in reading else other(len(ones), *shape, dtype=torch.float64)
                for position, (name, shape) in enumerate(zip(node.inputs, shapes, strict=True))
            ]
            values[node.name] = (apply(_connections(node), inputs, bias=False) != 0).double()
    return sum((values[name].flatten(1).sum(1) for name in wires.targets(values)), start=ones.new_zeros(len(ones)))


def _carries(node: Node) -> TypeGuard[Affine]:
    """Whether a node is an affine map, through which spikes go."""
    return not isinstance(node, Input | Activation | MaxPool | AdaptiveMaxPool | Analog)


def _connections(node: Node) -> Affine | Analog:
    """The node with ones where its weights stand: what is connected, whatever the weights are."""
    assert not isinstance(node, Input | Activation | MaxPool | AdaptiveMaxPool)
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
        same = self.layout == other.layout and self.sizes == other.sizes
        return same and all(self.rows(dim) == other.rows(dim) for dim in dims)

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

    def split(self, dim: int, rows: int) -> tuple[_Term, int]:
        """The same connections with the rows of a dimension as `rows` times so many, and where the latter are.

        The layout is the caller's to set. Rows that are all reached alike become two dimensions, one of which belongs
        to no source dimension; where they are the source's own, the source dimension becomes two.
        """
        if self.rows(dim) % rows:
            raise _NotFactorisedError
        size, factor = self.rows(dim) // rows, self.factors[dim]
        if factor is None:
            sizes = (*self.sizes[:dim], rows, size, *self.sizes[dim + 1 :])
            return replace(self, sizes=sizes, factors=(*self.factors[:dim], None, *self.factors[dim:])), dim + 1
        if bool((factor != factor[:1]).any()):
            raise _NotFactorisedError
        alone = torch.ones(size, 1, dtype=torch.bool)
        sizes, factors = (*self.sizes, 1), (*self.set(dim, factor[:1].expand(rows, -1)).factors, alone)
        return replace(self, sizes=sizes, factors=factors), len(self.sizes)

    def _any(self, dim: int) -> Tensor:
        factor = self.factors[dim]
        return torch.ones(1, self.sizes[dim], dtype=torch.bool) if factor is None else factor.any(0, keepdim=True)


def _reach(wires: _Wires) -> dict[str, list[_Term]]:
    """The connections from the source to every node that spikes get to."""
    network, shape = wires.network, wires.network.shapes[wires.source]
    identity = _Term(shape, (None,) * len(shape), tuple((dim,) for dim in range(len(shape))))
    reached = {wires.source: [identity]}
    for node in network.nodes:
        terms = [
            _through(network, node, position, term)
            for position in wires.reading(node, reached)
            for term in reached[node.inputs[position]]
        ]
        if terms:
            reached[node.name] = _maximal(terms)
    return reached


def _through(network: Network, node: Node, position: int, term: _Term) -> _Term:
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


def _through_product(position: int, term: _Term, given: tuple[int, ...], result: tuple[int, ...]) -> _Term:
    """A matrix product: the first input meets all columns of the second one, the second all rows of the first one."""
    if len(given) != len(result):
        raise _NotFactorisedError
    contracted = len(given) - 1 - position
    term = term.all_to_all(contracted, result[contracted])
    kept = (*given[:contracted], result[contracted], *given[contracted + 1 :])
    return _broadcast(term, kept, result)


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


def _regrouped(term: _Term, shape: tuple[int, ...]) -> _Term:
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
            raise _NotFactorisedError
        layout.append(group)
    layout[-1] += rest
    return replace(term, layout=tuple(map(tuple, layout)))


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


def _zeros(network: Network, source: str) -> Tensor:
    return torch.zeros(network.shapes[source], dtype=torch.float64)
