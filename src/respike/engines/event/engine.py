"""The walk over the network: each population runs all steps of a chunk before the next one does."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.coding import Bernoulli, ConstantCurrent, IntegrateEncoder
from respike.engines.event.calls import all_threads, encode, kernels_alone, lent, shared, threads
from respike.engines.event.kinds import kind_of
from respike.engines.event.maps import through
from respike.engines.event.memo import Memo, memo_of
from respike.engines.event.packing import dense
from respike.engines.event.population import Population
from respike.engines.event.record import EventRecorder, joined
from respike.engines.event.replay import MOST_ROOM, known, repeated
from respike.engines.event.values import LONGEST, Events, Layout, Part, Value
from respike.engines.walk import Evaluated, Pool, Walk
from respike.ir import Activation, AdaptiveMaxPool, Affine, Analog, Input, MaxPool, Network, Node, Pooling
from respike.plan import Plan, Site, SpikeCount
from respike.record import INPUT, Probe, Recording
from respike.schedule import Phase

SHARED_IMAGES = 16
"""Images of a thread at least, where each runs through the whole network with its own. For fewer, convolutions of
PyTorch may differ in the last bits."""


def run(network: Network, plan: Plan, images: Tensor, probe: Probe, first_image: int, memory: int) -> Recording:
    """Runs a plan on a batch, in tiles of images and chunks of at most 64 steps that take at most `memory` bytes."""
    memo = memo_of(network, plan)
    with kernels_alone():
        again = known(images, memo, probe, (memory, 0))
        return _run(network, plan, images, probe, first_image, memory, memo) if again is None else again


def _run(
    network: Network, plan: Plan, images: Tensor, probe: Probe, first_image: int, memory: int, memo: Memo
) -> Recording:
    given = plan.inputs(network, images)
    repeatable = memo.once("repeatable", lambda: _repeatable(plan))
    workers = max(1, min(threads(), len(given) // SHARED_IMAGES)) if repeatable else 1
    step = memo.once("bytes", lambda: _bytes_per_step(network))
    longest = min(LONGEST, max(phase.steps for phase in plan.schedule.phases), max(1, memory // step))
    kept = memo.once("kept", lambda: _bytes_of_all(network))
    largest = max(1, min(memory // (step * longest), MOST_ROOM // kept))
    tiles = min(len(given), -(-len(given) // (largest * workers)) * workers)  # as many for each thread

    def tile(number: int, worker: int) -> Recording:
        start, stop = (len(given) * edge // tiles for edge in (number, number + 1))

        def simulate(images: Tensor) -> Recording:
            tile = _Tile(network, plan, images, EventRecorder(probe, given.dtype), first_image + start, memo)
            tile.run(longest)
            return tile.recorder.finish()

        images = given[start:stop]
        if repeatable and len(images) * kept <= MOST_ROOM:
            return repeated(simulate, images, memo, probe, (memory, worker))
        return simulate(images)

    return joined(shared(tile, tiles, workers))


class _Tile(Walk[Value]):
    """One simulation of a tile of images under way: values are spikes, maps before them, and dense rests."""

    def __init__(
        self, network: Network, plan: Plan, images: Tensor, recorder: EventRecorder, first_image: int, memo: Memo
    ) -> None:
        super().__init__(network, plan)
        self.images = images
        self.recorder = recorder
        self.memo = memo
        self.stream = plan.coding.stream(images, first_image)
        self.populations: dict[str, Population] = {}
        self.pools: dict[str, Pool] = {}
        self.analog: dict[str, Evaluated] = {}
        self.constant = _constant(network, plan)
        self.constants: dict[tuple[str, bool, bool], Value] = {}
        self.output: Tensor | None = None

    def value(self, node: Node, inputs: list[Value], phase: Phase, steps: int) -> Value:
        """The value of a node; those that are the same in all steps of a phase are computed once."""
        if node.name not in self.constant:
            return super().value(node, inputs, phase, steps)
        key = (node.name, phase.input_on, phase.bias_on)
        if key not in self.constants:
            self.constants[key] = super().value(node, inputs, phase, steps)
        return self.constants[key]

    def plus(self, current: Value, transient: Tensor) -> Value:
        """Beside what is dense."""
        return current.plus(transient.to(self.images))

    def map(self, node: Affine, inputs: list[Value], phase: Phase) -> Value:
        """What an affine map makes of spikes."""
        return through(node, inputs, self.network.shapes[node.name], self.memo, bias=phase.bias_on)

    def population(self, name: str, site: Site, current: Value, phase: Phase, steps: int) -> Value:
        """The spikes of a population as words."""
        if name not in self.populations:
            self.populations[name] = Population(name, site, self.recorder, self.memo)
        return _spiking(self.populations[name](current, phase, steps, len(self.images), self.images.dtype))

    def pool(self, node: Pooling, current: Value, steps: int) -> Value:
        """Max pools take dense values."""
        pool = self.pools.setdefault(node.name, Pool(self.plan.max_pooling))
        return Value(self.network.shapes[node.name], (), pool(node, self._dense(current, steps), steps))

    def evaluated(self, node: Analog | Activation, inputs: list[Value], steps: int) -> Value:
        """What stays analog takes dense values, too."""
        evaluated = self.analog.setdefault(node.name, Evaluated())
        dense = [self._dense(value, steps) for value in inputs]
        with all_threads():
            return Value(self.network.shapes[node.name], (), evaluated(node, dense, self.decodings(steps)))

    def entry(self, phase: Phase, steps: int) -> Value:
        """The input: a dense current, or spikes as words."""
        (entry,) = self.network.inputs
        shape = entry.shape
        if not self.plan.coding.spiking:
            return Value(shape, (), self.stream.take(steps)) if phase.input_on else Value(shape)
        layout = Layout(shape)
        words = torch.zeros(1, 1, len(self.images), self.network.neurons(entry.name)).long()
        value = Value(shape)
        if phase.input_on:
            current = self.stream.take(steps)
            encode(lent(layout.flat(current)), steps, lent(words), threads())
            match self.plan.coding:
                case Bernoulli(spike_value=number) | IntegrateEncoder(threshold=number):
                    scale = current.new_full((1,) * (1 + len(shape)), number)
                    value = _spiking(Events(layout.shaped(words), scale, steps, (INPUT,)))
                case _:
                    value = Value(shape, (), current)
        self.recorder.population(INPUT, words, layout, steps)
        return value

    def read_out(self, delivered: Value, phase: Phase, steps: int) -> None:
        """Sums up what is delivered, after each step."""
        dense = self._dense(delivered, steps)
        outputs = dense.expand(steps, *dense.shape[1:])
        if self.output is not None:
            outputs = torch.cat([(self.output + outputs[0]).unsqueeze(0), outputs[1:]])
        outputs = outputs.cumsum(0)
        self.output = outputs[-1]
        self.recorder.outputs(outputs)

    def _dense(self, value: Value, steps: int) -> Tensor:
        return dense(value, steps, len(self.images), self.images.dtype, self.memo)


def _spiking(events: Events) -> Value:
    return Value(events.shape, (Part(events, None, events.key),))


def _constant(network: Network, plan: Plan) -> set[str]:
    """The nodes whose values are the same in all steps of a phase: they are computed once."""
    names = {node.name for node in network.inputs if isinstance(plan.coding, ConstantCurrent)}
    for node in network.nodes:
        affine = not isinstance(node, Input | Activation | MaxPool | AdaptiveMaxPool | Analog)
        if affine and names.issuperset(node.inputs):
            names.add(node.name)
    return names


def _repeatable(plan: Plan) -> bool:
    """Whether all that is done is seen by who watches: codings and neurons of others may do what they like."""
    sites = [*plan.sites.values(), *([plan.readout.site] if isinstance(plan.readout, SpikeCount) else [])]
    return type(plan.coding) is ConstantCurrent and all(kind_of(site.neuron) is not None for site in sites)


def _bytes_per_step(network: Network) -> int:
    """Bytes of one step of one image where most is dense at once: a node's value and what it reads."""
    largest = max(
        network.neurons(node.name) + sum(network.neurons(name) for name in node.inputs) for node in network.nodes
    )
    return max(1, largest * network.dtype.itemsize)


def _bytes_of_all(network: Network) -> int:
    """Bytes of what a run keeps of one image until it ends, where nothing is freed: words and potentials."""
    return max(1, sum(network.neurons(node.name) for node in network.nodes) * (8 + network.dtype.itemsize))
