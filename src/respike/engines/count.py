"""The count engine: spike counts in one pass, without time. An idealisation, not a simulation.

The published ECC tool (SpKeras) has no time loop: every layer turns the spike *counts* of the one before into its own.

    N = clip(floor((v0 + Σ input + T · extra_current) / threshold), 0, T)      (burst neurons: up to T · most)

That is exact for the first layer under constant current (any input that keeps arriving evenly). Behind it, it leaves
out *unevenness* (a layer whose spikes come early or late saturates or cannot recall) and *causality* (a spike at the
last step cannot cause one before it). What it gives is what evenly spread spikes would: usually better than what a
network does in time, and never to be reported as its accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.errors import InvalidOption, InvalidPlan
from respike.ir import Activation, AdaptiveMaxPool, Affine, Analog, Input, MaxPool, Network, apply, apply_max
from respike.neurons import Above, Burst, IntegrateFire, Neuron
from respike.plan import AccumulatedMax, Membrane, Plan, Site
from respike.record import INPUT, OUTPUT, Probe, Recorder, Recording
from respike.schedule import Steady


def count(
    network: Network, plan: Plan, images: Tensor, probe: Probe | None = None, *, first_image: int = 0
) -> Recording:
    """Runs a plan on a batch of images on spike counts alone (ECC's published tool).

    The recording has one row in the place of steps: the totals over all of them. `potentials` are what is left,
    `v0 + Σ input - threshold · N`.

    Args:
        network: the network that the plan is for.
        plan: what to run.
        images: `[batch, *shape]`.
        probe: what to keep; spike counts and outputs unless given.
        first_image: the number of the batch's first image in its data set, on which random codings depend.

    Raises:
        InvalidPlan: neurons other than those in `COUNTS` with reset by subtraction, a schedule other than `Steady`, or
            max pools on momentary currents: these depend on the order of spikes; use the batched engine.
        InvalidOption: the probe asks for the spikes of every step.
    """
    wanted = probe or Probe()
    if wanted.spikes:
        raise InvalidOption("the count engine has no steps: probe spike_counts, or use the batched engine for spikes")
    steps = _check(network, plan)
    recorder = Recorder(wanted)
    (entry,) = network.inputs
    values: dict[str, Tensor] = {}
    last_reader = {name: node.name for node in network.nodes for name in node.inputs}
    for node in network.nodes:
        match node:
            case Input():
                given = network.check_inputs((images,))[entry.name]
                value = _input(plan, given, steps, first_image, recorder)
            case Activation():
                value = _population(node.name, plan.sites[node.name], values[node.inputs[0]], steps, recorder)
            case MaxPool() | AdaptiveMaxPool():
                value = apply_max(node, values[node.inputs[0]])
            case _:
                value = _total(node, [values[name] for name in node.inputs], steps)
        values[node.name] = value
        for name in node.inputs:
            if last_reader[name] == node.name and name not in network.outputs:
                values.pop(name, None)
    delivered = values[network.outputs[0]]
    if not isinstance(plan.readout, Membrane):
        delivered = _population(OUTPUT, plan.readout.site, delivered, steps, recorder)
    recorder.outputs(delivered.unsqueeze(0))
    return recorder.finish()


def _check(network: Network, plan: Plan) -> int:
    """The number of steps, where nothing in the plan depends on the order of spikes."""
    if not isinstance(plan.schedule, Steady):
        raise InvalidPlan(
            f"the count engine needs a Steady schedule, got {type(plan.schedule).__name__}: use the batched engine"
        )
    if plan.readout.after:
        raise InvalidPlan("the count engine has no time in which a readout could start late: use the batched engine")
    sites = dict(plan.sites) if isinstance(plan.readout, Membrane) else {**plan.sites, OUTPUT: plan.readout.site}
    for name, site in sites.items():
        if type(site.neuron) not in COUNTS or not site.neuron.lossless:
            raise InvalidPlan(
                f"layer {name!r}: the count engine needs {' or '.join(kind.__name__ for kind in COUNTS)} with reset by "
                f"subtraction, got {site.neuron}: use the batched engine"
            )
    pools = [node.name for node in network.nodes if isinstance(node, MaxPool | AdaptiveMaxPool)]
    if pools and not isinstance(plan.max_pooling, AccumulatedMax):
        raise InvalidPlan(
            f"layer {pools[0]!r}: the count engine pools totals, which is AccumulatedMax; "
            f"for {type(plan.max_pooling).__name__} use the batched engine"
        )
    return plan.schedule.steps


def _input(plan: Plan, images: Tensor, steps: int, first_image: int, recorder: Recorder) -> Tensor:
    """The input summed over all steps."""
    given = plan.coding.stream(images, first_image).take(steps)
    if plan.coding.spiking:
        recorder.population(INPUT, (given != 0).to(given.dtype).expand(steps, *given.shape[1:]).sum(0, keepdim=True))
    return given[0] * steps if len(given) == 1 else given.sum(0)


def _population(name: str, site: Site, total: Tensor, steps: int, recorder: Recorder) -> Tensor:
    """What a population's spikes deliver, from its total input."""
    numbers = site.like(total)
    charge = total + numbers.initial_potential + steps * numbers.extra_current
    counts = COUNTS[type(site.neuron)](site.neuron, charge / numbers.threshold, steps)
    recorder.population(name, counts.unsqueeze(0), charge - numbers.threshold * counts, neuron=site.neuron)
    return numbers.spike_value * counts


def _integrate_fire(neuron: IntegrateFire, thresholds: Tensor, steps: int) -> Tensor:
    passed = thresholds.ceil() - 1 if isinstance(neuron.fires, Above) else thresholds.floor()
    return passed.clamp(0, steps)


def _burst(neuron: Burst, thresholds: Tensor, steps: int) -> Tensor:
    return thresholds.floor().clamp(0, neuron.most * steps)


Count: TypeAlias = Callable[[Any, Tensor, int], Tensor]
"""Takes a neuron, its whole charge in thresholds, and the steps; gives the sum of the spikes."""
COUNTS: Mapping[type[Neuron], Count] = {IntegrateFire: _integrate_fire, Burst: _burst}
"""By the neuron's class. Only for neurons whose sum of spikes is a function of the charge alone."""


def _total(node: Affine | Analog, inputs: list[Tensor], steps: int) -> Tensor:
    """An affine map on totals: its constant part flows in every step. Steady plans have no analog nodes."""
    constant = apply(node, [torch.zeros_like(value[:1]) for value in inputs])
    return apply(node, inputs, bias=False) + steps * constant
