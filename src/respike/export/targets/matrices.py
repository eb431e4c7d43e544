"""A NIR graph as populations and matrices between them, for simulators that know neurons and synapses alone.

The maps between two populations (convolutions, pools, affine maps, sums of branches) are linear but for their biases.
So a spike of one neuron after the other, put in with all biases left out, gives their matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from respike.export.targets.target import Spikes
from respike.export.targets.wired import stateless, topological

_AT_ONCE = 256
"""Neurons whose columns are computed at once."""


@dataclass(frozen=True, eq=False)
class Population:
    """The neurons of one IF node, and what they get from outside: `[steps, neurons]`, of the input and of biases."""

    name: str
    threshold: Tensor
    currents: Tensor


@dataclass(frozen=True, eq=False)
class Synapses:
    """What one population sends to another: `weights[k]` from neuron `sources[k]` to neuron `readers[k]`."""

    source: str
    reader: str
    sources: Tensor
    readers: Tensor
    weights: Tensor


Fired: TypeAlias = Mapping[str, tuple[Tensor, Tensor]]
"""Of each population the step and the neuron of every spike."""
Simulate: TypeAlias = Callable[[Sequence[Population], Sequence[Synapses]], Fired]
"""Simulates one image on populations in the order in which they fire."""


class Matrices(nn.Module):
    """The maps of a graph, of which it makes matrices, and the simulator that runs them."""

    def __init__(self, graph: Any, simulate: Simulate) -> None:
        super().__init__()
        self.simulate = simulate
        self.order = topological(graph)
        self.before: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for source, reader in graph.edges:
            self.before[reader].append(source)
        (self.entry,) = graph.inputs
        self.names = [name for name in self.order if type(graph.nodes[name]).__name__ == "IF"]
        self.thresholds = nn.ParameterDict(
            {name: _fixed(torch.as_tensor(graph.nodes[name].v_threshold)) for name in self.names}
        )
        maps = {name: node for name, node in graph.nodes.items() if name not in self.names}
        self.maps = nn.ModuleDict({name: stateless(node) for name, node in maps.items()})
        self.linear = nn.ModuleDict({name: _without_bias(stateless(node)) for name, node in maps.items()})

    def run(self, currents: Tensor, populations: tuple[str, ...]) -> Spikes:
        """The spikes on currents `[steps, batch, *shape]`, one image after the other."""
        steps, batch = currents.shape[:2]
        outside = {
            name: arriving.reshape(steps, batch, *arriving.shape[1:])
            for name, arriving in self._arriving({self.entry: currents.flatten(0, 1)}, self.maps).items()
        }
        shapes = {name: arriving.shape[2:] for name, arriving in outside.items()}
        synapses = list(self._synapses(shapes))
        spikes = {name: currents.new_zeros(steps, batch, shapes[name].numel()) for name in populations}
        for image in range(batch):
            found = self.simulate([self._population(name, outside[name][:, image]) for name in self.names], synapses)
            for name in populations:
                at, neurons = found[name]
                spikes[name][at, image, neurons] = 1
        return {name: found.reshape(steps, batch, *shapes[name]) for name, found in spikes.items()}

    def _population(self, name: str, currents: Tensor) -> Population:
        threshold = self.thresholds[name].broadcast_to(currents.shape[1:]).flatten()
        return Population(name, threshold, currents.flatten(1))

    def _synapses(self, shapes: Mapping[str, torch.Size]) -> Iterator[Synapses]:
        """The matrices, entry by entry."""
        for source in self.names:
            entries: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}
            for some in torch.split(torch.arange(shapes[source].numel()), _AT_ONCE):
                one_each = torch.zeros(len(some), shapes[source].numel(), dtype=self.thresholds[source].dtype)
                one_each[torch.arange(len(some)), some] = 1
                given = {source: one_each.reshape(-1, *shapes[source])}
                for reader, arriving in self._arriving(given, self.linear).items():
                    rows, columns = arriving.flatten(1).nonzero(as_tuple=True)
                    entries.setdefault(reader, []).append((some[rows], columns, arriving.flatten(1)[rows, columns]))
            for reader, found in entries.items():
                yield Synapses(source, reader, *(torch.cat(column) for column in zip(*found, strict=True)))

    def _arriving(self, given: Mapping[str, Tensor], maps: nn.ModuleDict) -> dict[str, Tensor]:
        """What arrives at each population. With biases all others are silent; without, nothing comes of them."""
        found, values = dict[str, Tensor](), dict[str, Tensor | None]()
        for name in self.order:
            parts = [value for source in self.before[name] if (value := values[source]) is not None]
            arriving = sum(parts[1:], start=parts[0]) if parts else None
            if arriving is None or name in given:
                values[name] = given.get(name)
            elif name in self.maps:
                values[name] = maps[name](arriving)
            else:
                found[name] = arriving
                values[name] = torch.zeros_like(arriving) if maps is self.maps else None
        return found


def run(module: nn.Module, currents: Tensor, populations: tuple[str, ...]) -> Spikes:
    """The spikes of a module that holds matrices."""
    assert isinstance(module, Matrices)
    with torch.no_grad():
        return module.run(currents, populations)


def _without_bias(module: Any) -> nn.Module:
    if getattr(module, "bias", None) is not None:
        module.bias = None
    kept: nn.Module = module
    return kept


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)
