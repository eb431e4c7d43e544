"""Running a network in integers, with potentials of a stated width that saturate, and are counted where they do."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from respike.engines.walk import Pool, RecordedWalk
from respike.errors import InvalidPlan, RespikeWarning
from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Input,
    MaxPool,
    Network,
    Pad,
    apply,
    evaluate,
    map_tensors,
)
from respike.neurons import State
from respike.plan import Plan, Site, SpikeCount
from respike.record import OUTPUT, Probe, Recorder, Recording
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
    given = plan.inputs(network, images)
    largest = max(float(bound.max()) for bound in bounds(network, plan, given).values())
    if largest * (plan.schedule.steps + 1) + 2.0**membrane_bits >= EXACT:
        raise InvalidPlan(
            f"sums of up to {largest:g} a step are too large to be run exactly: use fewer bits, or neurons that send "
            "fewer spikes in a step"
        )
    simulation = _Integers(network, plan, given, Recorder(probe or Probe()), membrane_bits, first_image)
    simulation.run(longest=1)
    saturations = {name: membrane.saturated for name, membrane in simulation.membranes.items()}
    if any(saturations.values()):
        where = ", ".join(f"{name!r} ({count})" for name, count in saturations.items() if count)
        warnings.warn(
            f"potentials left {membrane_bits} bits, neuron-steps in {where}: use more membrane_bits or fewer bits",
            SaturationWarning,
            stacklevel=3,
        )
    return IntegerRun(simulation.recorder.finish().since(plan.readout.after), saturations)


def bounds(network: Network, plan: Plan, images: Tensor) -> dict[str, Tensor]:
    """What the magnitude of no value, nor of any partial sum of it, can exceed in a step; `[1, *shape]` each.

    The network of the absolute weights, on the largest image, with every neuron sending the most that it can.
    """
    values: dict[str, Tensor] = {}
    for node in network.nodes:
        match node:
            case Input():
                most = (
                    1.0
                    if (plan.coding.spiking and not plan.coding.over_time) or not images.numel()
                    else float(images.abs().max())
                )
                values[node.name] = torch.full((1, *node.shape), most, dtype=torch.float64)
            case Activation():
                most = plan.sites[node.name].neuron.largest
                values[node.name] = torch.full((1, *network.shapes[node.name]), most, dtype=torch.float64)
            case Pad():
                values[node.name] = apply(node, (values[node.inputs[0]],)).abs()
            case _:
                values[node.name] = evaluate(map_tensors(node, Tensor.abs), [values[name] for name in node.inputs])
    return values


class _Membrane:
    """A signed integer of a stated width, and how often it was held at an end."""

    def __init__(self, bits: int) -> None:
        self.low, self.high = -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1
        self.saturated = 0

    def hold(self, value: Tensor) -> Tensor:
        self.saturated += int(((value < self.low) | (value > self.high)).sum())
        return value.clamp(self.low, self.high)


class _Integers(RecordedWalk):
    """One run under way, step by step."""

    def __init__(
        self, network: Network, plan: Plan, images: Tensor, recorder: Recorder, bits: int, first_image: int
    ) -> None:
        super().__init__(network, plan, images, recorder, first_image)
        pools = [node.name for node in network.nodes if isinstance(node, MaxPool | AdaptiveMaxPool)]
        sites = {**plan.sites, OUTPUT: plan.readout.site} if isinstance(plan.readout, SpikeCount) else plan.sites
        for name, site in sites.items():
            if site.neuron.window is not None:
                raise InvalidPlan(f"layer {name!r} has {site.neuron.describe()}, which do not run in integers yet")
        self.membranes = {name: _Membrane(bits) for name in (*sites, *pools)}
        self.pools = {name: Pool(plan.max_pooling, self.membranes[name].hold) for name in pools}
        self.states: dict[str, State] = {}

    def population(self, name: str, site: Site, current: Tensor, phase: Phase, steps: int) -> Tensor:
        """One step: the potential saturates when it is charged."""
        numbers, neuron, now = site.like(current[0]), site.neuron, current[0]
        if phase.bias_on:
            now = now + numbers.extra_current
        state = self.states.get(name) or neuron.start(numbers.initial_potential.expand_as(now))
        charged = state.charged(now)
        held = replace(charged, potential=self.membranes[name].hold(charged.potential))
        self.states[name], spikes = neuron.fire(held, numbers.threshold)
        self.recorder.population(name, spikes.unsqueeze(0), self.states[name].potential, neuron=neuron)
        return (numbers.spike_value * spikes).unsqueeze(0)
