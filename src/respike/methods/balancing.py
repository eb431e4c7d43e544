"""Thresholds by simulation: what the threshold-balancing methods share.

Layers are balanced one after the other, each on the spikes of the layers before it (`calibrate.over_time`). A layer's
currents are needed twice, to find the largest and then to spike; what does not fit in memory is computed again.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from respike.calibrate import Calibration, site
from respike.calibrate.over_time import Part, behind, parts
from respike.coding import Coding
from respike.ir import Network, Node, ceiling
from respike.neurons import Neuron
from respike.plan import Site

KEPT = 512 * 2**20
"""Bytes of a layer's currents that are kept from finding the largest until the layer spikes."""


def balanced(
    network: Network, calibration: Calibration, *, steps: int, scale: float, neuron: Neuron, coding: Coding
) -> dict[str, Site]:
    """A site per activation: threshold and spike value are `scale` times the largest input current.

    That is the largest over neurons, steps and images, biases included, while the layers before, already balanced,
    spike. A layer that never gets a positive current is dead: see `calibrate.sites`. A scale above a clip (ReLU6)
    becomes the clip.
    """
    sites: dict[str, Site] = {}
    sources = {node.name: behind(network, node.inputs) for node in network.activations}
    last_reader = {source.name: name for name, nodes in sources.items() for source in nodes}
    with torch.no_grad():
        images = list(parts(network, calibration, coding, steps))
        for node in network.activations:
            name, nodes = node.name, sources[node.name]
            largest, kept = _largest_current(images, nodes, sites)
            sites[name] = site(name, scale * largest, ceiling(node.function), neuron=neuron)
            for number, part in enumerate(images):
                if name in last_reader:
                    current = kept.pop(number) if number in kept else part.current(nodes, sites)
                    part.run(name, current, sites[name])
                part.forget({source for source, reader in last_reader.items() if reader == name})
    return sites


def _largest_current(
    images: list[Part], nodes: tuple[Node, ...], sites: dict[str, Site]
) -> tuple[float, dict[int, Tensor]]:
    """The largest current over all images, and by the part's number those currents that there is memory to keep."""
    largest, kept, left = -math.inf, dict[int, Tensor](), KEPT
    for number, part in enumerate(images):
        current = part.current(nodes, sites)
        largest = max(largest, float(current.max()))
        if current.nbytes <= left:
            kept[number] = current
            left -= current.nbytes
    return largest, kept
