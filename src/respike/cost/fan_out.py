"""How many neurons each neuron reaches: exact fan-out, borders included.

A synapse is a pair (source neuron, target neuron) that the affine maps between two populations connect. Average
pooling and the map behind it are one map; weights that happen to be zero count; two paths between the same pair are one
synapse. Targets are the neurons of populations, what max pools and analog nodes read, and outputs.

Where a plan says so (`Plan.products`, `Plan.held`), spikes go through a product of two signals, each of them to all
outputs that its value is multiplied into; the spikes of the other input end there, where its values are held, and so do
those that reach a value that is held. In time the spikes of both inputs do both: they go through, each by what has
arrived of the other input, and are added to what has arrived of their own.

What a neuron reaches is a union of Kronecker products of small matrices (`kronecker.py`). Where values are only moved
first (rolled, cut into windows), the fan-outs are those behind the moves, in other places. Networks that are not of
this kind (a reshape that splits channels) are probed neuron by neuron.
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

from respike.cost.kronecker import NotFactorisedError, Term, count, maximal, through
from respike.errors import SlowWarning
from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Affine,
    Analog,
    Concat,
    FixedLinear,
    Input,
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
            (count(reached[name]).reshape(network.shapes[source]) for name in wires.targets(reached)),
            start=_zeros(network, source),
        )
    except NotFactorisedError:
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


def _reach(wires: _Wires) -> dict[str, list[Term]]:
    """The connections from the source to every node that spikes get to."""
    network, shape = wires.network, wires.network.shapes[wires.source]
    identity = Term(shape, (None,) * len(shape), tuple((dim,) for dim in range(len(shape))))
    reached = {wires.source: [identity]}
    for node in network.nodes:
        terms = [
            through(network, node, position, term)
            for position in wires.reading(node, reached)
            for term in reached[node.inputs[position]]
        ]
        if terms:
            reached[node.name] = maximal(terms)
    return reached


def _zeros(network: Network, source: str) -> Tensor:
    return torch.zeros(network.shapes[source], dtype=torch.float64)
