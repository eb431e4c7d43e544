"""Thresholds by simulation: what the threshold-balancing methods share.

Layers are balanced one after the other, each on the spikes of the layers before it. Those spikes are kept, one bit
each, as long as a layer still reads them, so that no layer is simulated twice. A layer's currents are needed twice,
to find the largest and then to spike; what does not fit in memory is computed again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from respike.calibrate import Calibration, image_batches, site
from respike.coding import Coding
from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Affine,
    Analog,
    Input,
    MaxPool,
    Network,
    Node,
    Pooling,
    apply,
    apply_max,
    ceiling,
)
from respike.neurons import Neuron
from respike.plan import Site

MEMORY = 64 * 2**20
"""Bytes that one node's values may take at one time; images are taken in parts of that size."""
KEPT = 512 * 2**20
"""Bytes of a layer's currents that are kept from finding the largest until the layer spikes."""


def balanced(
    network: Network, calibration: Calibration, *, steps: int, scale: float, neuron: Neuron, coding: Coding
) -> dict[str, Site]:
    """A site per activation: threshold and spike value are `scale` times the largest input current.

    That is the largest over neurons, steps and images, biases included, while the layers before, already balanced,
    spike. A layer that never gets a positive current is dead: see `scales.sites`. A scale above a clip (ReLU6) becomes
    the clip.
    """
    sites: dict[str, Site] = {}
    behind = {node.name: _behind(network, node) for node in network.activations}
    last_reader = {source.name: name for name, nodes in behind.items() for source in nodes}
    with torch.no_grad():
        parts = list(_parts(network, calibration, coding, steps))
        for node in network.activations:
            name, nodes = node.name, behind[node.name]
            largest, kept = _largest_current(parts, nodes, sites)
            sites[name] = site(name, scale * largest, ceiling(node.function), neuron=neuron)
            for number, part in enumerate(parts):
                if name in last_reader:
                    current = kept.pop(number) if number in kept else part.current(nodes, sites)
                    part.spike(name, current, neuron, sites[name])
                part.forget({source for source, reader in last_reader.items() if reader == name})
    return sites


def _largest_current(
    parts: list[_Part], behind: tuple[Node, ...], sites: dict[str, Site]
) -> tuple[float, dict[int, Tensor]]:
    """The largest current over all images, and by the part's number those currents that there is memory to keep."""
    largest, kept, left = -math.inf, dict[int, Tensor](), KEPT
    for number, part in enumerate(parts):
        current = part.current(behind, sites)
        largest = max(largest, float(current.max()))
        if current.nbytes <= left:
            kept[number] = current
            left -= current.nbytes
    return largest, kept


class _Part:
    """Some of the calibration images, and the spikes that they have evoked so far."""

    def __init__(self, images: Tensor, first_image: int, coding: Coding, steps: int) -> None:
        self._images = images
        self._first_image = first_image
        self._coding = coding
        self._steps = steps
        self._spikes: dict[str, tuple[np.ndarray, torch.Size]] = {}

    def current(self, behind: tuple[Node, ...], sites: dict[str, Site]) -> Tensor:
        """The input current that comes out of the nodes `behind`, `[steps, …]`, or `[1, …]` where it is constant."""
        values: dict[str, Tensor] = {}
        for node in behind:
            match node:
                case Input():
                    value = self._coding.stream(self._images, self._first_image).take(self._steps)
                case Activation():
                    value = self._delivered(node.name, sites[node.name])
                case MaxPool() | AdaptiveMaxPool():
                    value = _pooled(node, values[node.inputs[0]])
                case _:
                    value = _folded(node, [values[name] for name in node.inputs])
            values[node.name] = value
        return values[behind[-1].name]

    def spike(self, name: str, current: Tensor, neuron: Neuron, site: Site) -> None:
        """Runs a population whose site is known on its current, and keeps its spikes."""
        numbers = site.like(current[0])
        state = neuron.start(torch.zeros_like(current[0]))
        fired = torch.empty(self._steps, *current.shape[1:], dtype=torch.bool)
        for number in range(self._steps):
            now = current[number if len(current) > 1 else 0]
            state, fired[number] = neuron.step(state, now, numbers.threshold)
        self._spikes[name] = np.packbits(fired.numpy()), fired.shape

    def forget(self, names: set[str]) -> None:
        """Lets go of spikes that nobody reads any more."""
        for name in names & self._spikes.keys():
            del self._spikes[name]

    def _delivered(self, name: str, site: Site) -> Tensor:
        packed, shape = self._spikes[name]
        spikes = torch.from_numpy(np.unpackbits(packed, count=shape.numel())).reshape(shape).to(self._images)
        return spikes.mul_(site.like(spikes[0]).spike_value)


def _parts(network: Network, calibration: Calibration, coding: Coding, steps: int) -> Iterator[_Part]:
    (entry,) = network.inputs
    largest = max(network.neurons(node.name) for node in network.nodes)
    at_once = max(1, MEMORY // (steps * largest * network.dtype.itemsize))
    first = 0
    for batch in image_batches(network, calibration):
        for images in torch.split(network.check_inputs((batch,))[entry.name], at_once):
            yield _Part(images, first, coding, steps)
            first += len(images)


def _behind(network: Network, activation: Activation) -> tuple[Node, ...]:
    """What an activation's input is computed from, in order: all nodes back to the populations before it, or inputs."""
    wanted, behind = set(activation.inputs), list[Node]()
    for node in reversed(network.nodes):
        if node.name in wanted:
            behind.append(node)
            if not isinstance(node, Activation):
                wanted.update(node.inputs)
    return tuple(reversed(behind))


def _pooled(node: Pooling, current: Tensor) -> Tensor:
    """By how much the maximum of the accumulated currents grows in each step."""
    if len(current) == 1:
        return apply_max(node, current[0]).unsqueeze(0)
    maxima = apply_max(node, current.cumsum(0).flatten(0, 1))
    maxima = maxima.reshape(len(current), -1, *maxima.shape[1:])
    return torch.diff(maxima, dim=0, prepend=torch.zeros_like(maxima[:1]))


def _folded(node: Affine | Analog, inputs: list[Tensor]) -> Tensor:
    """An affine map on values over time: time is folded into the batch."""
    steps = max(len(value) for value in inputs)
    result = apply(node, [value.expand(steps, *value.shape[1:]).flatten(0, 1) for value in inputs])
    return result.reshape(steps, -1, *result.shape[1:])
