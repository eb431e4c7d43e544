"""Running a network in integers, with potentials of a stated width that saturate, and are counted where they do."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from respike.errors import InvalidPlan, RespikeWarning
from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Input,
    MaxPool,
    Network,
    Pad,
    apply,
    apply_max,
    evaluate,
    map_tensors,
)
from respike.neurons import State
from respike.plan import AccumulatedMax, MaxPooling, Membrane, Plan, Site
from respike.record import INPUT, OUTPUT, Probe, Recorder, Recording
from respike.schedule import Phase

EXACT = 2.0**53
"""Below this every integer is a float64, and so are sums of integers, in whatever order."""


class SaturationWarning(RespikeWarning):
    """Potentials that left the width of the membrane were held at its end."""


@dataclass(frozen=True, eq=False)
class IntegerRun:
    """What a run in integers has kept; `saturations` counts neuron-steps held at an end, per population or max pool."""

    recording: Recording
    saturations: Mapping[str, int]


def run(
    network: Network,
    plan: Plan,
    images: Tensor,
    probe: Probe | None = None,
    *,
    membrane_bits: int,
    first_image: int = 0,
) -> IntegerRun:
    """Runs an integer network on a batch, step by step as the reference engine does, every value an integer.

    A potential is a signed integer of `membrane_bits`: `v ← saturate(v + current)`, then spike and reset. What a max
    pool accumulates has the same width. Within a step currents are summed up in full, and the readout is summed up
    outside the hardware, in full.

    torch has no integer convolution on a CPU. Values are float64 and hold integers; no sum can reach `2^53`, below
    which float64 is exact (`InvalidPlan` where one could), so that each result is the one integer arithmetic gives.
    """
    network = network.to(torch.float64)
    (entry,) = network.inputs
    given = network.check_inputs((images,))[entry.name]
    largest = max(float(bound.max()) for bound in bounds(network, plan, given).values())
    if largest * (plan.schedule.steps + 1) + 2.0**membrane_bits >= EXACT:
        raise InvalidPlan(
            f"sums of up to {largest:g} a step are too large to be run exactly: use fewer bits, or neurons that send "
            "fewer spikes in a step"
        )
    simulation = _Simulation(network, plan, given, Recorder(probe or Probe()), membrane_bits, first_image)
    for phase in plan.schedule.phases:
        for _ in range(phase.steps):
            simulation.step(phase)
    saturations = {name: state.saturated for name, state in simulation.states.items()}
    if any(saturations.values()):
        where = ", ".join(f"{name!r} ({count})" for name, count in saturations.items() if count)
        warnings.warn(
            f"potentials left {membrane_bits} bits, neuron-steps in {where}: use more membrane_bits or fewer bits",
            SaturationWarning,
            stacklevel=3,
        )
    return IntegerRun(simulation.recorder.finish(), saturations)


def bounds(network: Network, plan: Plan, images: Tensor) -> dict[str, Tensor]:
    """What the magnitude of no value, nor of any partial sum of it, can exceed in a step; `[1, *shape]` each.

    The network of the absolute weights, on the largest image, with every neuron sending the most that it can.
    """
    values: dict[str, Tensor] = {}
    for node in network.nodes:
        match node:
            case Input():
                most = 1.0 if plan.coding.spiking or not images.numel() else float(images.abs().max())
                values[node.name] = torch.full((1, *node.shape), most, dtype=torch.float64)
            case Activation():
                most = plan.sites[node.name].neuron.largest
                values[node.name] = torch.full((1, *network.shapes[node.name]), most, dtype=torch.float64)
            case Pad():
                values[node.name] = apply(node, (values[node.inputs[0]],)).abs()
            case _:
                values[node.name] = evaluate(map_tensors(node, Tensor.abs), [values[name] for name in node.inputs])
    return values


class _Accumulator:
    """A signed integer state of a stated width."""

    def __init__(self, bits: int) -> None:
        self.low, self.high = -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1
        self.saturated = 0

    def saturate(self, value: Tensor) -> Tensor:
        self.saturated += int(((value < self.low) | (value > self.high)).sum())
        return value.clamp(self.low, self.high)


class _Population(_Accumulator):
    def __init__(self, name: str, site: Site, recorder: Recorder, bits: int) -> None:
        super().__init__(bits)
        self.name, self.site, self.recorder = name, site, recorder
        if site.neuron.window is not None:
            raise InvalidPlan(f"layer {name!r} has {site.neuron.describe()}, which do not run in integers yet")
        self.state: State | None = None

    def __call__(self, current: Tensor, phase: Phase) -> Tensor:
        numbers, neuron = self.site.like(current), self.site.neuron
        if self.state is None:
            self.state = neuron.start(numbers.initial_potential.expand_as(current))
        if phase.bias_on:
            current = current + numbers.extra_current
        charged = self.state.charged(current)
        saturated = replace(charged, potential=self.saturate(charged.potential))
        self.state, spikes = neuron.fire(saturated, numbers.threshold)
        self.recorder.population(self.name, spikes.unsqueeze(0), self.state.potential, neuron=neuron)
        return numbers.spike_value * spikes


class _Pool(_Accumulator):
    def __init__(self, node: MaxPool | AdaptiveMaxPool, treatment: MaxPooling, bits: int) -> None:
        super().__init__(bits)
        self.node, self.treatment = node, treatment
        self.accumulated: Tensor | None = None
        self.passed_on: Tensor | None = None

    def __call__(self, current: Tensor) -> Tensor:
        if not isinstance(self.treatment, AccumulatedMax):
            return apply_max(self.node, current)
        self.accumulated = self.saturate(current if self.accumulated is None else self.accumulated + current)
        maximum = apply_max(self.node, self.accumulated)
        increment = maximum if self.passed_on is None else maximum - self.passed_on
        self.passed_on = maximum
        return increment


class _Simulation:
    """One run under way."""

    def __init__(
        self, network: Network, plan: Plan, images: Tensor, recorder: Recorder, bits: int, first_image: int
    ) -> None:
        self.network, self.plan, self.images, self.recorder = network, plan, images, recorder
        self.stream = plan.coding.stream(images, first_image)
        self.populations = {name: _Population(name, site, recorder, bits) for name, site in plan.sites.items()}
        if not isinstance(plan.readout, Membrane):
            self.populations[OUTPUT] = _Population(OUTPUT, plan.readout.site, recorder, bits)
        self.pools = {
            node.name: _Pool(node, plan.max_pooling, bits)
            for node in network.nodes
            if isinstance(node, MaxPool | AdaptiveMaxPool)
        }
        self.states: dict[str, _Accumulator] = {**self.populations, **self.pools}
        self.output: Tensor | None = None

    def step(self, phase: Phase) -> None:
        values: dict[str, Tensor] = {}
        for node in self.network.nodes:
            match node:
                case Input():
                    values[node.name] = self.stream.take(1)[0] if phase.input_on else torch.zeros_like(self.images)
                    if self.plan.coding.spiking:
                        spikes = (values[node.name] != 0).to(torch.float64)
                        self.recorder.population(INPUT, spikes.unsqueeze(0))
                case Activation():
                    values[node.name] = self.populations[node.name](values[node.inputs[0]], phase)
                case MaxPool() | AdaptiveMaxPool():
                    values[node.name] = self.pools[node.name](values[node.inputs[0]])
                case _:
                    values[node.name] = apply(node, [values[name] for name in node.inputs], bias=phase.bias_on)
        delivered = values[self.network.outputs[0]]
        if OUTPUT in self.populations:
            delivered = self.populations[OUTPUT](delivered, phase)
        self.output = delivered if self.output is None else self.output + delivered
        self.recorder.outputs(self.output.unsqueeze(0))
