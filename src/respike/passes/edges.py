"""Populations on edges: spikes for the maps and products that read a value which no activation has made.

A linear layer, a convolution or a product of two signals (the *multiplying* nodes) multiplies every value that it
reads, unless that value comes as spikes. A value is made of spikes where only additions, averages, scalings and moves
lie between populations and its reader. Where it is not (behind a layer norm, a softmax, another linear layer), a
population can stand on the edge: an `Activation` of the `Identity`, named after the value with `@spikes` behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from typing import TypeAlias, TypeGuard
from weakref import WeakKeyDictionary

from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Analog,
    Conv,
    ConvTranspose,
    Identity,
    Input,
    Linear,
    MatMul,
    MaxPool,
    Multiply,
    Network,
    Node,
    ReLU,
)

SPIKES = "@spikes"
"""What stands behind the name of a value in the name of the population that sends it."""

Weighted: TypeAlias = Linear | Conv | ConvTranspose
Product: TypeAlias = MatMul | Multiply


class Made(Enum):
    """What a value is made of."""

    SPIKES = "spikes"
    """What populations send, added up and moved."""
    INPUT = "input"
    """The network's input, perhaps with spikes."""
    VALUE = "value"
    """A number that something has computed and nothing has sent as spikes."""


_placed: WeakKeyDictionary[Network, tuple[frozenset[str], Network]] = WeakKeyDictionary()
"""For each network, the populations that were placed in it last, and the network with them."""


def spike_edges(network: Network) -> Network:
    """The network with a population on every edge that multiplies and does not spike (`edges`). Computes the same."""
    return place(network, edges(network))


def place(network: Network, populations: Iterable[str]) -> Network:
    """The network with populations on edges: where multiplying nodes read a value, they read its spikes.

    The last result is kept as long as the network lives: engines ask for it in every run, and keep what they work out
    for it.

    Args:
        network: the network.
        populations: their names, `VALUE@spikes` each. Names of nodes that are there already are passed over, and so are
            those of values that no multiplying node reads.
    """
    there = network.shapes.keys()
    values = {name.removesuffix(SPIKES) for name in populations if name.endswith(SPIKES) and name not in there}
    wanted = {name for name in values & there if any(map(multiplies, network.readers(name)))}
    if not wanted:
        return network
    known, placed = _placed.get(network, (frozenset(), network))
    if known == wanted:
        return placed
    nodes: list[Node] = []
    for node in network.nodes:
        if multiplies(node):
            inputs = tuple(name + SPIKES if name in wanted else name for name in node.inputs)
            nodes.append(replace(node, inputs=inputs))  # type: ignore[arg-type]
        else:
            nodes.append(node)
        if node.name in wanted:
            nodes.append(Activation(node.name + SPIKES, (node.name,), Identity()))
    placed = replace(network, nodes=tuple(nodes))
    _placed[network] = frozenset(wanted), placed
    return placed


def edges(network: Network) -> tuple[str, ...]:
    """The names of the populations that are missing, in order: with them, all that multiplies reads spikes.

    The network's own input stays what it is: its first maps multiply, once for each image.
    """
    made = made_of(network)
    found: dict[str, None] = {}
    for node in network.nodes:
        if multiplies(node):
            silent = (Made.VALUE,) if isinstance(node, Weighted) else (Made.VALUE, Made.INPUT)
            found |= {name + SPIKES: None for name in node.inputs if made[name] in silent}
    return tuple(found)


def products(network: Network) -> dict[str, int]:
    """The products of which one input, whose number is given, comes as spikes: the first one where both do."""
    made = made_of(network)
    found = {}
    for node in network.nodes:
        if isinstance(node, Product):
            spiking = [position for position, name in enumerate(node.inputs) if made[name] is Made.SPIKES]
            if spiking:
                found[node.name] = spiking[0]
    return found


def forks(network: Network) -> tuple[str, ...]:
    """The affine nodes whose values are made by weights and read by several: the streams of residual networks.

    Such a value is worth holding in accumulators (`Plan.held`): spikes are then added once, and not once for each
    reader.
    """
    made = made_of(network)
    return tuple(
        node.name
        for node in network.nodes
        if not isinstance(node, Input | Activation | MaxPool | AdaptiveMaxPool | Analog)
        and made[node.name] is Made.VALUE
        and len(network.readers(node.name)) + (node.name in network.outputs) > 1
    )


def made_of(network: Network) -> dict[str, Made]:
    """What the value of each node is made of."""
    made: dict[str, Made] = {}
    for node in network.nodes:
        before = {made[name] for name in node.inputs}
        match node:
            case Input():
                made[node.name] = Made.INPUT
            case Activation():
                made[node.name] = Made.SPIKES if spikes(node) else Made.VALUE
            case MaxPool() | AdaptiveMaxPool():
                made[node.name] = Made.INPUT if before == {Made.INPUT} else Made.VALUE
            case _ if isinstance(node, Weighted | Analog) or Made.VALUE in before:
                made[node.name] = Made.VALUE
            case _:
                made[node.name] = Made.INPUT if Made.INPUT in before else Made.SPIKES
    return made


def spikes(node: Activation) -> bool:
    """Whether neurons compute an activation as it stands: a ReLU, the identity, and all in recurrent layers.

    Other functions are evaluated, and a population behind them sends their values.
    """
    return isinstance(node.function, ReLU | Identity) or bool(node.population)


def multiplies(node: Node) -> TypeGuard[Weighted | Product]:
    """Whether a node multiplies all values that it reads, by weights or with each other."""
    return isinstance(node, Weighted | Product)
