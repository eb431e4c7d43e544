"""Pipelined execution: few-spikes networks step by step in global time, with several images under way at once.

Image `i` arrives at step `i · interval`. A population at depth l (the l-th on its longest path from the input) fires
for it in window l, the steps `i · interval + (l - 1) K + 1 … i · interval + l K`, and each of its spikes is delivered
at once, through the affine maps, to all that read it. A population that has fired collects for the next image (FS
paper, Section 1.1); where an image's charge comes in while the potential is in use, it goes into another accumulator.

Max pools, and what the plan lets stay analog (the products of gates), need their whole input, so they wait until all
populations in front of them have fired, and pass on their value then. What does not spike (the image through the first
maps, biases) is added when a window begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.cost.latency import depths
from respike.cost.latency import interval as shortest_interval
from respike.engines.wiring import Port, constants, wire
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import Activation, Affine, Input, Network, Node, evaluate
from respike.neurons import State
from respike.plan import Plan, SiteTensors
from respike.record import OUTPUT
from respike.schedule import Layerwise


@dataclass(frozen=True, eq=False)
class PipelinedRun:
    """What a pipelined simulation gave; steps are global, the first image arrives at step 0.

    Args:
        outputs: `[images, *shape]`.
        spike_counts: `[images, *shape]`, by population.
        finished_at: the step at which each image's output was complete.
        interval: steps between one image and the next.
        potentials: how many values each neuron had to hold at one time: 1 is its membrane alone, what exceeds it are
            accumulators beside it. Max pools and the output (`"output"`) have accumulators only.
    """

    outputs: Tensor
    spike_counts: Mapping[str, Tensor]
    finished_at: tuple[int, ...]
    interval: int
    potentials: Mapping[str, int]

    @property
    def latency(self) -> int:
        """Steps from the arrival of an image until its output is complete; the same for all images."""
        (steps,) = {finished - number * self.interval for number, finished in enumerate(self.finished_at)}
        return steps


def pipelined(network: Network, plan: Plan, images: Tensor, *, interval: int | None = None) -> PipelinedRun:
    """Runs a few-spikes plan on `images` (`[images, *shape]`), which follow each other every `interval` steps.

    The outputs are bit for bit those of the images one by one: neither the interval nor the images before or behind
    change them.

    Args:
        network: a network.
        plan: its few-spikes plan.
        images: in the order in which they arrive.
        interval: steps between images, K at least; `cost.interval` (2 K in a feed-forward network) unless given. A
            shorter one costs more accumulators.

    Raises:
        InvalidPlan: the plan has other neurons than few-spikes ones.
        InvalidOption: the interval is so short that a population would have to fire for two images at once.
        InvalidData: no images, or such that do not fit the network.
    """
    network = plan.on(network)
    plan.check(network)
    if not isinstance(plan.schedule, Layerwise):
        raise InvalidPlan(
            f"only few-spikes networks can be pipelined, not {plan.method or 'this plan'}: use few_spikes"
        )
    (entry,) = network.inputs
    given = network.check_inputs((images,))[entry.name]
    wanted = shortest_interval(network, plan) if interval is None else interval
    if wanted < 1:
        raise InvalidOption(f"the interval must be at least 1 step, got {wanted}")
    return _Pipeline(network, plan, plan.schedule.window, wanted).run(given)


@dataclass(eq=False)
class _Firing:
    """A population while it fires for an image."""

    node: Activation
    image: int
    state: State
    until: int


class _Pipeline:
    """One simulation under way: what fires, and what every port has collected for which image."""

    def __init__(self, network: Network, plan: Plan, window: int, interval: int) -> None:
        self.network, self.plan, self.window, self.interval = network, plan, window, interval
        self.depths = depths(network, plan.analog)
        self.windows = max(self.depths.values())
        active = [node for node in network.nodes if not isinstance(node, Input | Affine)]
        self.populations = [node for node in network.activations if node.name in plan.sites]
        self.waiting = [node for node in active if node.name not in plan.sites]
        self.wires = {node.name: wire(network, node.name) for node in active}
        self.numbers: dict[str, SiteTensors] = {}
        self.constants: dict[int, dict[Port, Tensor]] = {}
        self.collected: dict[int, dict[Port, Tensor]] = {}
        self.firing: dict[str, _Firing] = {}
        self.potentials: Counter[str] = Counter()
        self.outputs: dict[int, Tensor] = {}
        self.finished_at: dict[int, int] = {}
        self.spike_counts: dict[str, Tensor] = {}

    def run(self, images: Tensor) -> PipelinedRun:
        self.spike_counts = {
            node.name: images.new_zeros(len(images), *self.network.shapes[node.name]) for node in self.populations
        }
        for now in range((len(images) - 1) * self.interval + self.windows * self.window + 1):
            if now % self.interval == 0 and now // self.interval < len(images):
                number = now // self.interval
                self.constants[number] = constants(self.network, images[number : number + 1])
                self.collected[number] = {}
            self.firing = {neurons: fires for neurons, fires in self.firing.items() if fires.until > now}
            for image in list(self.collected):
                past = now - image * self.interval
                if past % self.window == 0:
                    self.turn(image, past // self.window, now)
            for population in self.firing.values():
                self.step(population)
            self.count_potentials()
        return PipelinedRun(
            outputs=torch.cat([self.outputs[image] for image in range(len(images))]),
            spike_counts=self.spike_counts,
            finished_at=tuple(self.finished_at[image] for image in range(len(images))),
            interval=self.interval,
            potentials=dict(self.potentials),
        )

    def turn(self, image: int, window: int, now: int) -> None:
        """The turn from a window of an image to the next: pools pass on what is complete, populations begin."""
        for node in self.waiting:
            if self.depths[node.name] == window:
                inputs = [self.take(image, Port(node.name, position)) for position in range(len(node.inputs))]
                self.deliver(image, node, evaluate(node, inputs))
        if self.depths[self.network.outputs[0]] == window:
            self.outputs[image] = self.take(image, Port(None))
            self.finished_at[image] = now
        for node in self.populations:
            if self.depths[node.name] == window + 1:
                self.begin(image, node, now)
        if window == self.windows:
            del self.collected[image], self.constants[image]

    def begin(self, image: int, node: Activation, now: int) -> None:
        """A population turns to an image: what was collected for it is now the membrane potential."""
        neurons = node.population or node.name
        if neurons in self.firing:
            raise InvalidOption(
                f"the neurons of {neurons!r} would fire for images {self.firing[neurons].image} and {image} at once: "
                f"take an interval of {shortest_interval(self.network, self.plan)} steps"
            )
        current = self.take(image, Port(node.name))
        numbers = self.numbers.setdefault(node.name, self.plan.sites[node.name].like(current))
        potential = current + (numbers.initial_potential + numbers.extra_current)
        state = self.plan.sites[node.name].neuron.start(potential)
        self.firing[neurons] = _Firing(node, image, state, now + self.window)

    def step(self, population: _Firing) -> None:
        """One step of a population, and what its spikes deliver."""
        node, numbers = population.node, self.numbers[population.node.name]
        neuron, past = self.plan.sites[node.name].neuron, population.state.step
        if past == len(neuron.worth):
            return
        population.state, spikes = neuron.fire(population.state, numbers.threshold)
        self.spike_counts[node.name][population.image] += spikes[0]
        self.deliver(population.image, node, (numbers.spike_value * neuron.worth[past]) * spikes)

    def deliver(self, image: int, source: Node, value: Tensor) -> None:
        """Adds what a source delivers to all that reads it."""
        collected = self.collected[image]
        for port, arriving in self.wires[source.name](value):
            collected[port] = collected[port] + arriving if port in collected else arriving

    def take(self, image: int, port: Port) -> Tensor:
        """What a port has collected for an image, and what arrives there without spikes; the port is free again."""
        constant = self.constants[image].pop(port)
        return self.collected[image].pop(port) + constant if port in self.collected[image] else constant

    def count_potentials(self) -> None:
        """Notes how many values the neurons of each population hold now."""
        held = Counter(self.firing.keys())
        for collected in self.collected.values():
            held.update(self.neurons_at(port) for port in collected)
        self.potentials |= held

    def neurons_at(self, port: Port) -> str:
        """The population, pool or product that collects at a port."""
        if port.reader is None:
            return OUTPUT
        node = self.network[port.reader]
        return node.population or node.name if isinstance(node, Activation) else node.name
