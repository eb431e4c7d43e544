"""From one population to all that reads it: the affine maps behind a source, cut out of the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from respike.ir import Affine, Network, apply


@dataclass(frozen=True)
class Port:
    """Where values are collected: an input of a population, pool or product, or the output, which has no `reader`."""

    reader: str | None
    position: int = 0


Arrivals: TypeAlias = list[tuple[Port, Tensor]]
"""What arrives where, `[batch, *shape]` each."""
Wire: TypeAlias = Callable[[Tensor], Arrivals]
"""Takes what a source delivers, `[batch, *shape]`, to every port that it reaches."""


def wire(network: Network, source: str) -> Wire:
    """The linear part of the affine maps that lead from the node `source` to its ports."""
    reached, between = {source}, list[Affine]()
    for node in network.nodes:
        if isinstance(node, Affine) and not reached.isdisjoint(node.inputs):
            between.append(node)
            reached.add(node.name)
    ends = [(port, name) for port, name in ports(network) if name in reached]

    def carry(delivered: Tensor) -> Arrivals:
        values = {source: delivered}
        for node in between:
            inputs = [values[name] if name in values else _zero(network, name, delivered) for name in node.inputs]
            values[node.name] = apply(node, inputs, bias=False)
        return [(port, values[name]) for port, name in ends]

    return carry


def constants(network: Network, image: Tensor) -> dict[Port, Tensor]:
    """What arrives at every port while no population fires: the image through the first maps, and biases."""
    values: dict[str, Tensor] = {}
    for node in network.nodes:
        if isinstance(node, Affine):
            values[node.name] = apply(node, [values[name] for name in node.inputs])
        else:
            values[node.name] = _zero(network, node.name, image) if node.inputs else image
    return {port: values[name] for port, name in ports(network)}


def ports(network: Network) -> Iterator[tuple[Port, str]]:
    """Every port, and the node whose value it collects."""
    for node in network.nodes:
        if not isinstance(node, Affine):
            for position, name in enumerate(node.inputs):
                yield Port(node.name, position), name
    yield Port(None), network.outputs[0]


def _zero(network: Network, name: str, like: Tensor) -> Tensor:
    return torch.zeros(len(like), *network.shapes[name], dtype=like.dtype, device=like.device)
