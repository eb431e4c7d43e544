"""Thresholds by simulation: what the threshold-balancing methods share.

Layers are balanced one after the other, each on the spikes of the layers before it (`calibrate.over_time`). A layer's
currents are needed twice, to find the largest and then to spike; what does not fit in memory is computed again.
"""

from __future__ import annotations

import torch

from respike.calibrate import Calibration, site
from respike.calibrate.over_time import Currents, behind, parts
from respike.coding import Coding
from respike.ir import Network, ceiling
from respike.neurons import Neuron
from respike.plan import Site
from respike.progress import tell


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
        images = parts(network, calibration, coding, steps)
        for number, node in enumerate(network.activations):
            tell("balancing thresholds", number, len(network.activations))
            name, currents = node.name, Currents(images, sources[node.name])
            largest = max(float(current.max()) for _, current in currents)
            sites[name] = site(name, scale * largest, ceiling(node.function), neuron=neuron)
            if name in last_reader:
                for layers, current in currents:
                    layers.run(name, current, sites[name])
            for part in images:
                part.layers.forget({source for source, reader in last_reader.items() if reader == name})
    return sites
