"""The reference engine: the definition of the semantics, one step after the other. Never optimised.

In each step, spikes cross the whole network (zero delay). A population adds its input current, fires and resets; the
next affine map receives `spike_value · z`. Biases and extra currents are on where the schedule says so. A population
with a window fires all its K steps before the next layer runs, and the next map receives what they deliver together.
What the plan lets stay analog is evaluated in every step, on the activations that have arrived so far, and passes on
what has changed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Analog,
    Input,
    MaxPool,
    Network,
    apply,
    apply_activation,
    apply_analog,
    apply_max,
)
from respike.neurons import State
from respike.plan import AccumulatedMax, MaxPooling, Membrane, Plan, Site
from respike.record import INPUT, OUTPUT, Probe, Recorder, Recording
from respike.schedule import Phase


class _Population:
    """A site, and the state of its neurons."""

    def __init__(self, name: str, site: Site, recorder: Recorder) -> None:
        self.name = name
        self.site = site
        self.recorder = recorder
        self.state: State | None = None
        self.done = 0  # steps

    def __call__(self, current: Tensor, phase: Phase) -> Tensor:
        """What the population's spikes deliver in this step."""
        numbers, neuron = self.site.like(current), self.site.neuron
        if self.state is None:
            self.state = neuron.start(numbers.initial_potential.expand_as(current))
        transient = self.site.transient_in(self.done, 1, current.ndim)
        self.done += 1
        if transient is not None:
            current = current + transient[0].to(current)
        if phase.bias_on:
            current = current + numbers.extra_current
        if neuron.window is not None:
            charge = self.state.charged(current).potential
            potential, amplitudes, delivered = neuron.fire_window(charge, numbers.threshold)
            self.recorder.population(self.name, amplitudes, potential, neuron=neuron)
            return numbers.spike_value * delivered
        self.state, spikes = neuron.step(self.state, current, numbers.threshold)
        self.recorder.population(self.name, spikes.unsqueeze(0), self.state.potential, neuron=neuron)
        return numbers.spike_value * spikes


class _Pool:
    """The state of one max pool: the accumulated currents, and their maximum so far."""

    def __init__(self, node: MaxPool | AdaptiveMaxPool, treatment: MaxPooling) -> None:
        self.node = node
        self.treatment = treatment
        self.accumulated: Tensor | None = None
        self.passed_on: Tensor | None = None

    def __call__(self, current: Tensor) -> Tensor:
        if not isinstance(self.treatment, AccumulatedMax):
            return apply_max(self.node, current)
        self.accumulated = current if self.accumulated is None else self.accumulated + current
        maximum = apply_max(self.node, self.accumulated)
        increment = maximum if self.passed_on is None else maximum - self.passed_on
        self.passed_on = maximum
        return increment


class _Evaluated:
    """The state of one node that stays analog: what has arrived at its inputs, and what it has passed on."""

    def __init__(self, node: Activation | Analog, plan: Plan) -> None:
        self.node = node
        self.plan = plan
        self.arrived: list[Tensor] = []
        self.passed_on: Tensor | None = None
        self.done = 0  # steps

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        """By how much `c · f(S / c)` grew in this step; what is no number yet passes on nothing."""
        self.done += 1
        decoding = self.plan.decoding_after(self.done)
        arrived = self.arrived or [torch.zeros_like(now) for now in inputs]
        self.arrived = [before + now for before, now in zip(arrived, inputs, strict=True)]
        values = [value / decoding for value in self.arrived]
        node = self.node
        value = apply_activation(node, values[0]) if isinstance(node, Activation) else apply_analog(node, values)
        before = torch.zeros_like(value) if self.passed_on is None else self.passed_on
        self.passed_on = torch.where(value.isfinite(), decoding * value, before)
        return self.passed_on - before


def reference(
    network: Network, plan: Plan, images: Tensor, probe: Probe | None = None, *, first_image: int = 0
) -> Recording:
    """Runs a plan on a batch of images, step by step: the definition.

    Args:
        network: the network that the plan is for.
        plan: what to run.
        images: `[batch, *shape]`.
        probe: what to keep; spike counts and outputs unless given.
        first_image: the number of the batch's first image in its data set, on which random codings depend.
    """
    network = plan.on(network)
    recorder = Recorder(probe or Probe())
    given = plan.inputs(network, images)
    stream = plan.coding.stream(given, first_image)
    populations = {name: _Population(name, site, recorder) for name, site in plan.sites.items()}
    pools = {
        node.name: _Pool(node, plan.max_pooling)
        for node in network.nodes
        if isinstance(node, MaxPool | AdaptiveMaxPool)
    }
    evaluated = {
        node.name: _Evaluated(node, plan)
        for node in network.nodes
        if isinstance(node, Analog) or (isinstance(node, Activation) and node.name in plan.analog)
    }
    readout = None if isinstance(plan.readout, Membrane) else _Population(OUTPUT, plan.readout.site, recorder)
    output: Tensor | None = None
    for phase in plan.schedule.phases:
        for _ in range(phase.steps):
            values: dict[str, Tensor] = {}
            for node in network.nodes:
                match node:
                    case Input():
                        silence = given.new_zeros(len(given), *node.shape)
                        values[node.name] = stream.take(1)[0] if phase.input_on else silence
                        if plan.coding.spiking:
                            recorder.population(INPUT, (values[node.name] != 0).to(given.dtype).unsqueeze(0))
                    case _ if node.name in evaluated:
                        values[node.name] = evaluated[node.name]([values[name] for name in node.inputs])
                    case Activation():
                        values[node.name] = populations[node.name](values[node.inputs[0]], phase)
                    case MaxPool() | AdaptiveMaxPool():
                        values[node.name] = pools[node.name](values[node.inputs[0]])
                    case _:
                        values[node.name] = apply(node, [values[name] for name in node.inputs], bias=phase.bias_on)
            delivered = values[network.outputs[0]]
            if readout is not None:
                delivered = readout(delivered, phase)
            output = delivered if output is None else output + delivered
            recorder.outputs(output.unsqueeze(0))
    return recorder.finish().since(plan.readout.after)
