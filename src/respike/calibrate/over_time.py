"""Spikes of calibration images, layer by layer: what is needed to look at a population's currents at every step.

Layers are run one after the other, each on the spikes of the layers before it. Those spikes are kept, a bit each where
they can only be 0 or 1, as long as a layer still reads them, so that no layer is simulated twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from respike.calibrate.batches import Calibration, image_batches
from respike.coding import Coding
from respike.engines.walk import Pool, at, folded
from respike.ir import Activation, AdaptiveMaxPool, Input, MaxPool, Network, Node, walk
from respike.plan import AccumulatedMax, Site

MEMORY = 64 * 2**20
"""Bytes that one node's values may take at one time; images are taken in parts of that size."""


class Part:
    """Some of the calibration images, and the spikes that they have evoked so far."""

    def __init__(self, images: Tensor, first_image: int, coding: Coding, steps: int) -> None:
        self._images = images
        self._first_image = first_image
        self._coding = coding
        self._steps = steps
        self._spikes: dict[str, _Spikes] = {}

    def mean_input(self) -> Tensor:
        """The mean over the steps of what the coding makes of the images, `[batch, *shape]`."""
        return self._coding.stream(self._images, self._first_image).take(self._steps).mean(0)

    def current(self, nodes: tuple[Node, ...], sites: Mapping[str, Site]) -> Tensor:
        """The current that comes out of `nodes` (see `behind`), `[steps, …]`, or `[1, …]` where it is constant."""

        def value(node: Node, inputs: list[Tensor]) -> Tensor:
            match node:
                case Input() if node.name in sites:
                    spikes = self._spikes[node.name].dense(self._images)
                    return spikes.mul_(sites[node.name].like(spikes[0]).spike_value)
                case Input():
                    return self._coding.stream(self._images, self._first_image).take(self._steps)
                case MaxPool() | AdaptiveMaxPool():
                    return Pool(AccumulatedMax())(node, inputs[0], len(inputs[0]))
                case _:
                    return folded(node, inputs, bias=True)

        *_, (_, current) = walk(nodes, value)
        return current

    def run(self, name: str, current: Tensor, site: Site) -> Tensor:
        """Runs a population on its current and keeps its spikes; gives what they deliver in all, `[batch, *shape]`."""
        numbers, neuron = site.like(current[0]), site.neuron
        state = neuron.start(numbers.initial_potential.expand_as(current[0]))
        small = neuron.most is not None and neuron.most <= torch.iinfo(torch.int8).max
        fired = torch.empty(self._steps, *current.shape[1:], dtype=torch.int8 if small else torch.int32)
        for number in range(self._steps):
            now = at(current, number) + numbers.extra_current
            state, fired[number] = neuron.step(state, now, numbers.threshold)
        self._spikes[name] = _Spikes(fired)
        return fired.sum(0).to(current) * numbers.spike_value

    def forget(self, names: set[str]) -> None:
        """Lets go of spikes that nobody reads any more."""
        for name in names & self._spikes.keys():
            del self._spikes[name]


class _Spikes:
    """Spikes at every step, in few bytes."""

    def __init__(self, spikes: Tensor) -> None:
        self._shape = spikes.shape
        self._packed = bool(((spikes == 0) | (spikes == 1)).all())
        self._kept = np.packbits(spikes.numpy().astype(bool)) if self._packed else spikes.numpy()

    def dense(self, like: Tensor) -> Tensor:
        """The spikes in the type of a tensor."""
        kept = np.unpackbits(self._kept, count=self._shape.numel()) if self._packed else self._kept
        return torch.from_numpy(kept).reshape(self._shape).to(like.dtype, copy=True)


def parts(network: Network, calibration: Calibration, coding: Coding, steps: int) -> Iterator[Part]:
    """The calibration images in parts that fit into memory with all their steps."""
    (entry,) = network.inputs
    largest = max(network.neurons(node.name) for node in network.nodes)
    at_once = max(1, MEMORY // (steps * largest * network.dtype.itemsize))
    first_image = 0
    for batch in image_batches(network, calibration):
        for images in torch.split(network.check_inputs((batch,))[entry.name], at_once):
            yield Part(images, first_image, coding, steps)
            first_image += len(images)


def behind(network: Network, names: Iterable[str]) -> tuple[Node, ...]:
    """What some nodes are computed from, themselves included: all nodes back to the populations before, or inputs.

    The populations are inputs there, which read nothing. The nodes are in order.
    """
    wanted, found = set(names), list[Node]()
    for node in reversed(network.nodes):
        if node.name in wanted:
            source = Input(node.name, (), network.shapes[node.name]) if isinstance(node, Activation) else node
            found.append(source)
            wanted.update(source.inputs)
    return tuple(reversed(found))
