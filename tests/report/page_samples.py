"""Pages of small networks, with names that would break out of a page that trusted them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from respike import Plan, Site, SpikingNetwork
from respike.ir import Activation, AvgPool, Conv, Input, Linear, Network, Node, ReLU, Reshape
from respike.neurons import FewSpikes
from respike.report import Bounds, PageData, Run, collect, observe
from respike.schedule import InputThenDrain, Layerwise, Steady

HOSTILE = "</script><script>window.hacked=1</script>"
TAG = '<img src=x onerror="window.hacked=2">'
CLASSES = (TAG, "b&amp;", "\u2028", "d" * 60)


def network(seed: int = 0) -> Network:
    """Two spiking layers, the first of them convolutional, with hostile names."""
    draw = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    nodes = (
        Input("x", (), (1, 8, 8)),
        Conv("conv", ("x",), random(3, 1, 3, 3) / 3, random(3) / 8, (1, 1), (1, 1), (1, 1), 1),
        Activation(HOSTILE, ("conv",), ReLU()),
        AvgPool("pool", (HOSTILE,), (2, 2), (2, 2), (0, 0)),
        Reshape("flat", ("pool",), (48,)),
        Linear("hidden", ("flat",), random(12, 48) / 7, random(12) / 8),
        Activation(TAG, ("hidden",), ReLU()),
        Linear("out", (TAG,), random(4, 12) / 4, torch.zeros(4, dtype=torch.float64)),
    )
    found = Network(nodes, ("out",), origin=HOSTILE)
    # Around zero, so that all four classes occur.
    centred = replace(nodes[-1], bias=-found(images()).mean(0))
    return replace(found, nodes=(*nodes[:-1], centred))


def images(count: int = 48, seed: int = 1) -> Tensor:
    """Images in [0, 1], of different brightness."""
    draw = torch.Generator().manual_seed(seed)
    brightness = torch.rand(count, 1, 1, 1, generator=draw, dtype=torch.float64)
    return (torch.rand(count, 1, 8, 8, generator=draw, dtype=torch.float64) < brightness).double()


def plans() -> dict[str, Plan]:
    """A plan of each kind of schedule."""
    per_channel = torch.tensor([0.7, 0.9, 1.1], dtype=torch.float64)
    return {
        "steady": Plan({HOSTILE: Site(per_channel), TAG: Site(1.0)}, Steady(24), method="steady", cites=(TAG,)),
        "drain": Plan({HOSTILE: Site(1.0), TAG: Site(1.0)}, InputThenDrain(6, 10), method=TAG),
        "layerwise": Plan(
            {name: Site(2.0**-4, neuron=FewSpikes(6)) for name in (HOSTILE, TAG)},
            Layerwise(6),
            method="few",
            options={"steps": 6, "names": (HOSTILE,)},
        ),
    }


def runs(of: Sequence[str] = ("steady", "drain", "layerwise"), count: int = 48) -> tuple[list[Run], Tensor, Tensor]:
    """Conversions of the network, measured; the labels (three in four are what the network says); its decisions."""
    ann, inputs = network(), images(count)
    decisions = ann(inputs).argmax(-1)
    labels = torch.where(torch.arange(count) % 4 == 3, (decisions + 1) % 4, decisions)
    found = []
    for name in of:
        spiking = SpikingNetwork(ann, plans()[name])
        found.append(observe(spiking, (inputs, labels), dataset_name=TAG))
    return found, labels, decisions


@functools.cache
def page_data(bounds: Bounds | None = None) -> PageData:
    """All that a page of the network shows."""
    found, labels, decisions = runs()
    failed = {"max_norm": f"{TAG} has no bound"}
    return collect(found, images().__getitem__, labels, decisions, CLASSES, failed=failed, bounds=bounds)


def deep(layers: int = 60) -> Network:
    """Many layers, whose names differ in the middle only."""
    draw = torch.Generator().manual_seed(0)
    nodes: list[Node] = [Input("x", (), (1, 6, 6)), Reshape("flat", ("x",), (36,))]
    for number in range(layers):
        before, width = nodes[-1].name, 24
        weight = torch.randn(width, 24 if number else 36, generator=draw, dtype=torch.float64) / 3.3
        name = f"backbone.stage{number // 20}.block{number % 20:02}.branch.conv"
        nodes.append(Linear(name, (before,), weight, torch.full((width,), 0.05, dtype=torch.float64)))
        nodes.append(Activation(f"{name}.activation", (name,), ReLU()))
    weight = torch.randn(4, 24, generator=draw, dtype=torch.float64)
    nodes.append(Linear("out", (nodes[-1].name,), weight, None))
    return Network(tuple(nodes), ("out",), origin="deep")


@functools.cache
def large_page_data(layers: int = 60, methods: int = 10, steps: int = 100) -> PageData:
    """Ten methods of a network of sixty layers, for many steps."""
    network = deep(layers)
    inputs = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    decisions = network(inputs).argmax(-1)
    found = []
    for number in range(methods):
        sites = {node.name: Site(0.3 + 0.1 * number) for node in network.activations}
        plan = Plan(sites, Steady(steps - number), method=f"method_{number}")
        found.append(observe(SpikingNetwork(network, plan), (inputs, decisions), dataset_name="noise"))
    return collect(found, inputs.__getitem__, decisions, decisions, [f"class {number}" for number in range(4)])
