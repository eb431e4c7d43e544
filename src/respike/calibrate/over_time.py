"""Spikes of calibration images, layer by layer: what is needed to look at a population's currents at every step.

Layers are run one after the other, each on the spikes of the layers before it. Those spikes are kept as long as a layer
still reads them, so that no layer is simulated twice. Layers run as in the event engine (`engines/event/layers.py`), or
in torch where it cannot run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from respike.calibrate.batches import Calibration, image_batches
from respike.coding import Coding, Stream
from respike.engines.event import why_not
from respike.engines.walk import Pool, at, folded
from respike.ir import Activation, AdaptiveMaxPool, Input, MaxPool, Network, Node, walk
from respike.plan import AccumulatedMax, Site

MEMORY = 16 * 2**20
"""Bytes that one node's values may take at one time: images are taken in parts of that size, which caches may hold."""

KEPT = 512 * 2**20
"""Bytes of a layer's currents that are kept for those who ask for them again, and of a part on other devices."""


class Layers(Protocol):
    """Some images on their way through a network, and what its populations have sent so far."""

    def current(self, nodes: tuple[Node, ...]) -> Tensor:
        """The current that comes out of `nodes` (see `behind`), `[steps, batch, *shape]`, or `[1, …]` if constant."""
        ...

    def run(self, name: str, current: Tensor, site: Site) -> Tensor:
        """Runs a population on its current and keeps its spikes; gives what they deliver in all, `[batch, *shape]`."""
        ...

    def forget(self, names: set[str]) -> None:
        """Lets go of spikes that nobody reads any more."""
        ...


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the calibration images.

    Args:
        layers: where they are on their way.
        stream: begins what the coding makes of them.
        steps: T.
    """

    layers: Layers
    stream: Callable[[], Stream]
    steps: int

    def mean_input(self) -> Tensor:
        """The mean over the steps of what the coding makes of the images, `[batch, *shape]`."""
        return self.stream().take(self.steps).mean(0)


class Currents:
    """The currents behind some nodes, part by part: those that there is memory to keep are computed once.

    Args:
        parts: the images.
        nodes: what the currents are computed from, see `behind`.
    """

    def __init__(self, parts: list[Part], nodes: tuple[Node, ...]) -> None:
        self._parts = parts
        self._nodes = nodes
        self._kept: dict[int, Tensor] = {}
        self._left = KEPT

    def __iter__(self) -> Iterator[tuple[Layers, Tensor]]:
        for number, part in enumerate(self._parts):
            known = self._kept.get(number)
            current = part.layers.current(self._nodes) if known is None else known
            if known is None and current.nbytes <= self._left:
                self._kept[number] = current
                self._left -= current.nbytes
            yield part.layers, current


class _InTorch:
    """`Layers` without the compiled part; spikes are kept a bit each where they can only be 0 or 1."""

    def __init__(self, images: Tensor, stream: Callable[[], Stream], steps: int) -> None:
        self._images = images
        self._stream = stream
        self._steps = steps
        self._sent: dict[str, tuple[_Spikes, Site]] = {}

    def current(self, nodes: tuple[Node, ...]) -> Tensor:
        def value(node: Node, inputs: list[Tensor]) -> Tensor:
            match node:
                case Input() if node.name in self._sent:
                    kept, site = self._sent[node.name]
                    spikes = kept.dense(self._images)
                    return spikes.mul_(site.like(spikes[0]).spike_value)
                case Input():
                    return self._stream().take(self._steps)
                case MaxPool() | AdaptiveMaxPool():
                    return Pool(AccumulatedMax())(node, inputs[0], len(inputs[0]))
                case _:
                    return folded(node, inputs, bias=True)

        *_, (_, current) = walk(nodes, value)
        return current

    def run(self, name: str, current: Tensor, site: Site) -> Tensor:
        numbers, neuron = site.like(current[0]), site.neuron
        state = neuron.start(numbers.initial_potential.expand_as(current[0]))
        transient = site.transient_in(0, self._steps, current[0].ndim)
        if transient is not None:
            current = current + transient.to(current)
        small = neuron.most is not None and neuron.most <= torch.iinfo(torch.int8).max
        fired = torch.empty(
            self._steps, *current.shape[1:], dtype=torch.int8 if small else torch.int32, device=current.device
        )
        for number in range(self._steps):
            now = at(current, number) + numbers.extra_current
            state, fired[number] = neuron.step(state, now, numbers.threshold)
        self._sent[name] = _Spikes(fired), site
        return fired.sum(0).to(current) * numbers.spike_value

    def forget(self, names: set[str]) -> None:
        for name in names & self._sent.keys():
            del self._sent[name]


class _Spikes:
    """Spikes at every step, in few bytes."""

    def __init__(self, spikes: Tensor) -> None:
        spikes = spikes.cpu()
        self._shape = spikes.shape
        self._packed = bool(((spikes == 0) | (spikes == 1)).all())
        self._kept = np.packbits(spikes.numpy().astype(bool)) if self._packed else spikes.numpy()

    def dense(self, like: Tensor) -> Tensor:
        """The spikes in the type of a tensor, and where it is."""
        kept = np.unpackbits(self._kept, count=self._shape.numel()) if self._packed else self._kept
        return torch.from_numpy(kept).reshape(self._shape).to(like, copy=True)


def parts(network: Network, calibration: Calibration, coding: Coding, steps: int) -> list[Part]:
    """The calibration images in parts that fit into memory with all their steps."""
    (entry,) = network.inputs
    largest = max(network.neurons(node.name) for node in network.nodes)
    memory = MEMORY if network.device.type == "cpu" else KEPT
    at_once = max(1, memory // (steps * largest * network.dtype.itemsize))
    found, first_image = list[Part](), 0
    for batch in image_batches(network, calibration):
        for images in torch.split(network.check_inputs((batch,))[entry.name], at_once):
            stream = partial(coding.stream, images, first_image)
            found.append(Part(_layers(network, images, stream, steps), stream, steps))
            first_image += len(images)
    return found


def _layers(network: Network, images: Tensor, stream: Callable[[], Stream], steps: int) -> Layers:
    if why_not(network):
        return _InTorch(images, stream, steps)
    from respike.engines.event.layers import Layers as Compiled

    return Compiled(network, images, stream, steps)


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
