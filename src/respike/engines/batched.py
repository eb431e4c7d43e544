"""The batched engine: time folded into the batch.

Delays are zero, so a layer can be run for many steps at once before the next one is: every affine map sees
`steps · batch` samples, and only the populations walk through time. What is constant over time (the maps in front of
the first population, under constant input) is computed once per chunk. Chunks are chosen so that the values alive at
one time stay within a memory bound; states are carried from chunk to chunk.

On a GPU a population's walk through time is one kernel (`engines.fused`), its potentials in registers all the way.
"""

from __future__ import annotations

import torch
from torch import Tensor

from respike.engines import fused as kernels
from respike.engines.in_place import IN_PLACE
from respike.errors import InvalidOption
from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Affine,
    Analog,
    Input,
    Linear,
    MaxPool,
    Network,
    Node,
    apply,
    apply_activation,
    apply_max,
)
from respike.neurons import State
from respike.plan import AccumulatedMax, MaxPooling, Membrane, Plan, Site, SiteTensors
from respike.record import INPUT, OUTPUT, Probe, Recorder, Recording
from respike.schedule import Phase

MEMORY = 64 * 2**20
"""Bytes that the values of one chunk may take by default."""


def batched(
    network: Network,
    plan: Plan,
    images: Tensor,
    probe: Probe | None = None,
    *,
    first_image: int = 0,
    memory: int = MEMORY,
    fused: bool | None = None,
    products: kernels.Products | None = None,
) -> Recording:
    """Runs a plan on a batch of images, layer by layer in chunks of time.

    Args:
        network: the network that the plan is for.
        plan: what to run.
        images: `[batch, *shape]`.
        probe: what to keep; spike counts and outputs unless given.
        first_image: the number of the batch's first image in its data set, on which random codings depend.
        memory: bounds the bytes of the values alive at one time; it changes the speed, never the result.
        fused: run integrate-and-fire populations in Triton's kernels (float32 and float64), with the same spikes: on
            CUDA devices where Triton is installed, unless said. On a CPU Triton's interpreter runs them, which only
            tests want.
        products: runs linear layers that read unit spikes in narrow types: `fused.SplitProducts()` for float32,
            `fused.IntegerProducts()` for fixed point.
    """
    run = _Run(network, plan, images, Recorder(probe or Probe()), first_image, _is_fused(network, fused), products)
    longest = max(1, memory // _bytes_per_step(network, len(images)))
    for phase in plan.schedule.phases:
        for start in range(0, phase.steps, longest):
            run.chunk(phase, min(longest, phase.steps - start))
    return run.recorder.finish().since(plan.readout.after)


class _Run:
    """One simulation under way: the states of all populations and pools."""

    def __init__(
        self,
        network: Network,
        plan: Plan,
        images: Tensor,
        recorder: Recorder,
        first_image: int,
        fused: bool,
        products: kernels.Products | None,
    ) -> None:
        self.network = network
        self.plan = plan
        self.recorder = recorder
        (entry,) = network.inputs
        self.images = network.check_inputs((images,))[entry.name]
        self.stream = plan.coding.stream(self.images, first_image)
        self.populations = {name: _Population(name, site, recorder, fused) for name, site in plan.sites.items()}
        self.pools = {node.name: Pool(plan.max_pooling) for node in network.nodes}
        self.last_reader = {name: node.name for node in network.nodes for name in node.inputs}
        self.readout = (
            None if isinstance(plan.readout, Membrane) else _Population(OUTPUT, plan.readout.site, recorder, fused)
        )
        self.pieces = {} if products is None else kernels.readers_of_unit_spikes(network, plan, products)
        self.output: Tensor | None = None

    def chunk(self, phase: Phase, steps: int) -> None:
        """Runs `steps` steps of a phase. Values are `[steps, batch, *shape]`, or `[1, …]` where constant."""
        values: dict[str, Tensor] = {}
        result = self.network.outputs[0]
        for node in self.network.nodes:
            values[node.name] = self._value(node, [values[name] for name in node.inputs], phase, steps)
            for name in node.inputs:
                if self.last_reader[name] == node.name and name != result:
                    values.pop(name, None)
        delivered = values[result]
        if self.readout is not None:
            delivered = self.readout(delivered, phase, steps)
        self.recorder.outputs(self._accumulate(delivered, steps))

    def _value(self, node: Node, inputs: list[Tensor], phase: Phase, steps: int) -> Tensor:
        match node:
            case Input():
                value = self.stream.take(steps) if phase.input_on else torch.zeros_like(self.images).unsqueeze(0)
                if self.plan.coding.spiking:
                    self.recorder.population(INPUT, (value != 0).to(value.dtype).expand(steps, *value.shape[1:]))
                return value
            case Activation() if node.name in self.plan.analog:
                return apply_activation(node, inputs[0])
            case Activation():
                return self.populations[node.name](inputs[0], phase, steps)
            case MaxPool() | AdaptiveMaxPool():
                return self.pools[node.name](node, inputs[0], steps)
            case Linear() if node.name in self.pieces:
                product = kernels.product(inputs[0], self.pieces[node.name])
                return product if node.bias is None or not phase.bias_on else product.add_(node.bias)
            case _:
                return _folded(node, inputs, phase.bias_on)

    def _accumulate(self, delivered: Tensor, steps: int) -> Tensor:
        outputs = delivered.new_empty(steps, *delivered.shape[1:])
        for number in range(steps):
            now = delivered[number if len(delivered) > 1 else 0]
            self.output = now if self.output is None else self.output + now
            outputs[number] = self.output
        return outputs


class _Population:
    """A site and the state of its neurons, over many steps at once."""

    def __init__(self, name: str, site: Site, recorder: Recorder, fused: bool) -> None:
        self.name = name
        self.site = site
        self.recorder = recorder
        self.fused = fused
        self.state: State | None = None

    def __call__(self, current: Tensor, phase: Phase, steps: int) -> Tensor:
        numbers, neuron = self.site.like(current[0]), self.site.neuron
        if self.state is None:
            self.state = neuron.start(numbers.initial_potential.expand_as(current[0]).clone())
        kernel = kernels.kernel_of(neuron) if self.fused else None
        if kernel is not None:
            extra = numbers.extra_current if phase.bias_on else torch.zeros_like(numbers.extra_current)
            fired = kernels.fire(kernel, self.state, current, numbers.threshold, extra, steps)
            self.state = fired.state
            self._record(fired.spikes, fired.counts)
            return _delivered(fired.spikes.to(current.dtype), numbers)
        if phase.bias_on and bool(numbers.extra_current.any()):
            current = current + numbers.extra_current
        if neuron.window is not None:
            return self._window(self.state.charged(current[0]).potential, numbers)
        spikes = current.new_empty(steps, *current.shape[1:])
        in_place = IN_PLACE.get(type(neuron))
        if in_place is not None:
            in_place(neuron, self.state.potential, current, spikes, numbers.threshold)
        else:
            for number in range(steps):
                now = current[number if len(current) > 1 else 0]
                self.state, spikes[number] = neuron.step(self.state, now, numbers.threshold)
        self._record(spikes)
        return _delivered(spikes, numbers)

    def _window(self, charge: Tensor, numbers: SiteTensors) -> Tensor:
        """The K steps of neurons that have collected their input: one value."""
        neuron = self.site.neuron
        potential, amplitudes, delivered = neuron.fire_window(charge, numbers.threshold)
        self.recorder.population(self.name, amplitudes, potential, neuron=neuron)
        return delivered.mul_(numbers.spike_value).unsqueeze(0)

    def _record(self, spikes: Tensor, counts: Tensor | None = None) -> None:
        assert self.state is not None
        self.recorder.population(self.name, spikes, self.state.potential, counts=counts, neuron=self.site.neuron)


def _delivered(spikes: Tensor, numbers: SiteTensors) -> Tensor:
    return spikes if bool((numbers.spike_value == 1).all()) else spikes.mul_(numbers.spike_value)


class Pool:
    """The state of one max pool: the accumulated currents, and their maximum so far."""

    def __init__(self, treatment: MaxPooling) -> None:
        self.treatment = treatment
        self.accumulated: Tensor | None = None
        self.passed_on: Tensor | None = None

    def __call__(self, node: MaxPool | AdaptiveMaxPool, current: Tensor, steps: int) -> Tensor:
        if not isinstance(self.treatment, AccumulatedMax):
            maximum = apply_max(node, current.flatten(0, 1))
            return maximum.reshape(len(current), -1, *maximum.shape[1:])
        increments = []
        for number in range(steps):
            now = current[number if len(current) > 1 else 0]
            self.accumulated = now if self.accumulated is None else self.accumulated + now
            maximum = apply_max(node, self.accumulated)
            increments.append(maximum if self.passed_on is None else maximum - self.passed_on)
            self.passed_on = maximum
        return torch.stack(increments)


def _folded(node: Affine | Analog, inputs: list[Tensor], bias: bool) -> Tensor:
    """A map on values over time: time is folded into the batch."""
    steps = max(len(value) for value in inputs)
    folded = [value.expand(steps, *value.shape[1:]).flatten(0, 1) for value in inputs]
    result = apply(node, folded, bias=bias)
    return result.reshape(steps, -1, *result.shape[1:])


def _is_fused(network: Network, wanted: bool | None) -> bool:
    """What is wanted; unless said, on CUDA devices where Triton is installed."""
    known = network.dtype in (torch.float32, torch.float64)
    if wanted:
        kernels.require()
        if not known:
            raise InvalidOption(f"fused kernels run networks in float32 or float64, not {network.dtype}")
    return wanted if wanted is not None else known and network.device.type == "cuda" and kernels.available()


def _bytes_per_step(network: Network, batch: int) -> int:
    """Bytes that one step takes where most is alive at once: a node's value and what it reads."""
    largest = max(
        network.neurons(node.name) + sum(network.neurons(name) for name in node.inputs) for node in network.nodes
    )
    return max(1, batch * largest * network.dtype.itemsize)
