"""A conversion as a chip sees it: populations, each with the maps that feed it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.cost import fan_outs
from respike.export.portable import Portable, is_shift
from respike.ir import (
    AdaptiveMaxPool,
    AvgPool,
    Conv,
    Input,
    Linear,
    MaxPool,
    Network,
    Node,
)
from respike.plan import Plan, Site, SpikeCount


@dataclass(frozen=True, eq=False)
class Layer:
    """One population and what feeds it.

    Args:
        name: of the population; of the output node, where potentials are read out.
        shape: of the population.
        maps: the weighted maps between it and the populations in front.
        pools: the pools there.
        others: what else is there, but sums and reshapes.
        sources: how many populations (or the input) it reads.
        site: its numbers; None for a readout without spikes.
        fan_in: the most synapses of one neuron, at most.
        fan_out: the most targets of one neuron.
        readers: how many populations read it.
    """

    name: str
    shape: tuple[int, ...]
    maps: tuple[Linear | Conv, ...]
    pools: tuple[AvgPool | MaxPool | AdaptiveMaxPool, ...]
    others: tuple[Node, ...]
    sources: int
    site: Site | None
    fan_in: int
    fan_out: int
    readers: int

    @property
    def neurons(self) -> int:
        """How many neurons it has."""
        return math.prod(self.shape)

    @property
    def weights(self) -> int:
        """How many weights its maps have; those of a convolution count once."""
        return sum(one.weight.numel() for one in self.maps)

    @property
    def thresholds(self) -> int:
        """How many different thresholds it has."""
        return 0 if self.site is None else len(torch.unique(torch.as_tensor(self.site.threshold)))

    @property
    def distinct_weights(self) -> int:
        """The most different weights, zero left out, of one neuron."""
        rows: list[Tensor] = [row for one in self.maps for row in one.weight.flatten(1)]
        return max((len(torch.unique(row[row != 0])) for row in rows), default=0)


def layers_of(lowered: Portable) -> list[Layer]:
    """The layers of a conversion, in order; the last one is its readout.

    Args:
        lowered: the conversion in portable nodes.
    """
    network, plan = lowered.network, lowered.plan
    targets = fan_outs(network)
    readout = plan.readout.site if isinstance(plan.readout, SpikeCount) else None
    ends: list[tuple[Node, str, Site | None]] = [
        (network[node.inputs[0]], node.name, plan.sites[node.name])
        for node in network.activations
        if node.name in plan.sites
    ]
    ends.append((network[network.outputs[0]], network.outputs[0], readout))
    fronts = {name: _between(front, network, plan) for front, name, _ in ends}
    found = []
    for front, name, site in ends:
        between, sources = fronts[name]
        maps = tuple(node for node in between if isinstance(node, Linear | Conv))
        found.append(
            Layer(
                name=name,
                shape=network.shapes[front.name],
                maps=maps,
                pools=tuple(node for node in between if isinstance(node, AvgPool | MaxPool | AdaptiveMaxPool)),
                others=tuple(
                    node
                    for node in between
                    if not is_shift(node)
                    and type(node).__name__ not in ("Add", "Reshape", "Linear", "Conv", "AvgPool", "MaxPool")
                ),
                sources=len(sources),
                site=site,
                fan_in=sum(_fan_in(one, network) for one in maps) + (0 if maps else len(sources)),
                fan_out=int(targets[name].max()) if site is not None and name in targets else 0,
                readers=sum(name in read for _, read in fronts.values()),
            )
        )
    return found


def _between(front: Node, network: Network, plan: Plan) -> tuple[list[Node], set[str]]:
    """The nodes behind the last populations, and the populations (and inputs) that they read."""
    found: list[Node] = []
    sources: set[str] = set()
    waiting = [front]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Input) or node.name in plan.sites:
            sources.add(node.name)
        elif node not in found:
            found.append(node)
            waiting += [network[name] for name in node.inputs]
    return found, sources


def _fan_in(node: Linear | Conv, network: Network) -> int:
    """The synapses of one neuron behind a map; a sum pool in front is one map with it."""
    before = network[node.inputs[0]]
    while type(before).__name__ == "Reshape":
        before = network[before.inputs[0]]
    pooled = math.prod(before.kernel) if isinstance(before, AvgPool) else 1
    return node.weight[0].numel() * pooled
