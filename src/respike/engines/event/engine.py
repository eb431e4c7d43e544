"""The walk over the network: each population runs all steps of a chunk before the next one does."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.coding import Bernoulli, ConstantCurrent, IntegrateEncoder
from respike.engines.batched import Pool
from respike.engines.event import _native
from respike.engines.event.maps import through
from respike.engines.event.memo import Memo, memo_of
from respike.engines.event.packing import dense
from respike.engines.event.population import Population
from respike.engines.event.record import EventRecorder, joined
from respike.engines.event.values import LONGEST, Events, Layout, Part, Value
from respike.errors import InvalidPlan
from respike.ir import Activation, AdaptiveMaxPool, Analog, Input, MaxPool, Network, Node
from respike.plan import Membrane, Plan
from respike.record import INPUT, OUTPUT, Probe, Recording
from respike.schedule import Phase


def run(network: Network, plan: Plan, images: Tensor, probe: Probe, first_image: int, memory: int) -> Recording:
    """Runs a plan on a batch, in tiles of images and chunks of at most 64 steps that take at most `memory` bytes."""
    (entry,) = network.inputs
    given = network.check_inputs((images,))[entry.name]
    memo = memo_of(network, plan)
    step = memo.once("bytes", lambda: _bytes_per_step(network))
    longest = min(LONGEST, max(phase.steps for phase in plan.schedule.phases), max(1, memory // step))
    tiles = -(-len(given) // max(1, memory // (step * longest)))
    records = []
    for number in range(max(1, tiles)):
        start, stop = (len(given) * edge // max(1, tiles) for edge in (number, number + 1))
        tile = _Run(network, plan, given[start:stop], EventRecorder(probe, given.dtype), first_image + start, memo)
        for phase in plan.schedule.phases:
            for begin in range(0, phase.steps, longest):
                tile.chunk(phase, min(longest, phase.steps - begin))
        records.append(tile.recorder.finish())
    return joined(records)


class _Run:
    """One simulation of a tile of images under way."""

    def __init__(
        self, network: Network, plan: Plan, images: Tensor, recorder: EventRecorder, first_image: int, memo: Memo
    ) -> None:
        self.network = network
        self.plan = plan
        self.images = images
        self.recorder = recorder
        self.memo = memo
        self.stream = plan.coding.stream(images, first_image)
        self.populations = {name: Population(name, site, recorder, memo) for name, site in plan.sites.items()}
        self.pools = {node.name: Pool(plan.max_pooling) for node in network.nodes}
        self.last_reader = {name: node.name for node in network.nodes for name in node.inputs}
        self.readout: Population | None = None
        if not isinstance(plan.readout, Membrane):
            self.readout = Population(OUTPUT, plan.readout.site, recorder, memo)
        self.constant = _constant(network, plan)
        self.constants: dict[tuple[str, bool, bool], Value] = {}
        self.output: Tensor | None = None

    def chunk(self, phase: Phase, steps: int) -> None:
        """Runs `steps` steps of a phase."""
        values: dict[str, Value] = {}
        result = self.network.outputs[0]
        for node in self.network.nodes:
            key = (node.name, phase.input_on, phase.bias_on)
            value = self.constants.get(key)
            if value is None:
                value = self._value(node, [values[name] for name in node.inputs], phase, steps)
                if node.name in self.constant:
                    self.constants[key] = value
            values[node.name] = value
            for name in node.inputs:
                if self.last_reader[name] == node.name and name != result:
                    values.pop(name, None)
        self.recorder.outputs(self._accumulated(values[result], phase, steps))

    def _value(self, node: Node, inputs: list[Value], phase: Phase, steps: int) -> Value:
        shape = self.network.shapes[node.name]
        if isinstance(node, Analog):
            raise InvalidPlan(f"{node.name!r} stays analog, which spikes over time cannot pass through")
        match node:
            case Input():
                return self._input(shape, phase, steps)
            case Activation():
                population = self.populations[node.name]
                return _spiking(population(inputs[0], phase, steps, len(self.images), self.images.dtype))
            case MaxPool() | AdaptiveMaxPool():
                return Value(shape, (), self.pools[node.name](node, self._dense(inputs[0], steps), steps))
            case _:
                return through(node, inputs, shape, self.memo, bias=phase.bias_on)

    def _input(self, shape: tuple[int, ...], phase: Phase, steps: int) -> Value:
        if not self.plan.coding.spiking:
            return Value(shape, (), self.stream.take(steps)) if phase.input_on else Value(shape)
        layout = Layout(shape)
        words = torch.zeros(1, 1, len(self.images), self.network.neurons(self.network.inputs[0].name)).long()
        value = Value(shape)
        if phase.input_on:
            current = self.stream.take(steps)
            _native.encode(layout.flat(current), steps, words, torch.get_num_threads())
            match self.plan.coding:
                case Bernoulli(spike_value=number) | IntegrateEncoder(threshold=number):
                    scale = current.new_full((1,) * (1 + len(shape)), number)
                    value = _spiking(Events(layout.shaped(words), scale, steps, (INPUT,)))
                case _:
                    value = Value(shape, (), current)
        self.recorder.population(INPUT, words, layout, steps)
        return value

    def _dense(self, value: Value, steps: int) -> Tensor:
        return dense(value, steps, len(self.images), self.images.dtype, self.memo)

    def _accumulated(self, value: Value, phase: Phase, steps: int) -> Tensor:
        """The readout after each step."""
        if self.readout is not None:
            value = _spiking(self.readout(value, phase, steps, len(self.images), self.images.dtype))
        delivered = self._dense(value, steps)
        outputs = delivered.expand(steps, *delivered.shape[1:]).clone()
        if self.output is not None:
            outputs[0] = self.output + outputs[0]
        outputs = outputs.cumsum(0)
        self.output = outputs[-1]
        return outputs


def _spiking(events: Events) -> Value:
    return Value(events.shape, (Part(events, None, events.key),))


def _constant(network: Network, plan: Plan) -> set[str]:
    """The nodes whose values are the same in all steps of a phase: they are computed once."""
    names = {node.name for node in network.inputs if isinstance(plan.coding, ConstantCurrent)}
    for node in network.nodes:
        affine = not isinstance(node, Input | Activation | MaxPool | AdaptiveMaxPool)
        if affine and names.issuperset(node.inputs):
            names.add(node.name)
    return names


def _bytes_per_step(network: Network) -> int:
    """Bytes of one step of one image where most is dense at once: a node's value and what it reads."""
    largest = max(
        network.neurons(node.name) + sum(network.neurons(name) for name in node.inputs) for node in network.nodes
    )
    return max(1, largest * network.dtype.itemsize)
