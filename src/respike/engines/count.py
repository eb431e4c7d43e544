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

from respike.engines.walk import Walk
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Affine,
    Analog,
    MaxPool,
    Network,
    Pooling,
    apply_max,
    evaluate,
)
from respike.neurons import Above, Burst, IntegrateFire, Neuron
from respike.plan import AccumulatedMax, Membrane, Plan, Site
from respike.record import INPUT, OUTPUT, Probe, Recorder, Recording
from respike.schedule import Phase, Steady


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
    given = plan.inputs(network, images)
    recorder = Recorder(wanted)
    _Totals(network, plan, given, recorder, first_image).run(longest=steps)
    return recorder.finish()


class _Totals(Walk[Tensor]):
    """All steps at once: values are totals over them, `[batch, *shape]`."""

    def __init__(self, network: Network, plan: Plan, images: Tensor, recorder: Recorder, first_image: int) -> None:
        super().__init__(network, plan)
        self.recorder = recorder
        self.stream = plan.coding.stream(images, first_image)

    def entry(self, phase: Phase, steps: int) -> Tensor:
        """The input summed over all steps."""
        given = self.stream.take(steps)
        if self.plan.coding.spiking:
            spikes = (given != 0).to(given.dtype).expand(steps, *given.shape[1:])
            self.recorder.population(INPUT, spikes.sum(0, keepdim=True))
        return given[0] * steps if len(given) == 1 else given.sum(0)

    def plus(self, current: Tensor, transient: Tensor) -> Tensor:
        """With the total of the transient."""
        return current + transient.sum(0).to(current)

    def evaluated(self, node: Analog | Activation, inputs: list[Tensor], steps: int) -> Tensor:
        """The node on the means over all steps."""
        return self.plan.decoding * evaluate(node, [value / self.plan.decoding for value in inputs])

    def map(self, node: Affine, inputs: list[Tensor], phase: Phase) -> Tensor:
        """A map on totals: its constant part flows in every step."""
        constant = evaluate(node, [torch.zeros_like(value[:1]) for value in inputs])
        return evaluate(node, inputs, bias=False) + phase.steps * constant

    def population(self, name: str, site: Site, current: Tensor, phase: Phase, steps: int) -> Tensor:
        """What a population's spikes deliver, from its total input."""
        numbers = site.like(current)
        charge = current + numbers.initial_potential + steps * numbers.extra_current
        counts = COUNTS[type(site.neuron)](site.neuron, charge / numbers.threshold, steps)
        self.recorder.population(name, counts.unsqueeze(0), charge - numbers.threshold * counts, neuron=site.neuron)
        return numbers.spike_value * counts

    def pool(self, node: Pooling, current: Tensor, steps: int) -> Tensor:
        """The maximum of totals."""
        return apply_max(node, current)

    def read_out(self, delivered: Tensor, phase: Phase, steps: int) -> None:
        """The total of the outputs."""
        self.recorder.outputs(delivered.unsqueeze(0))


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


def _integrate_fire(neuron: IntegrateFire, thresholds: Tensor, steps: int) -> Tensor:
    passed = thresholds.ceil() - 1 if isinstance(neuron.fires, Above) else thresholds.floor()
    return passed.clamp(0, steps)


def _burst(neuron: Burst, thresholds: Tensor, steps: int) -> Tensor:
    return thresholds.floor().clamp(0, neuron.most * steps)


Count: TypeAlias = Callable[[Any, Tensor, int], Tensor]
"""Takes a neuron, its whole charge in thresholds, and the steps; gives the sum of the spikes."""
COUNTS: Mapping[type[Neuron], Count] = {IntegrateFire: _integrate_fire, Burst: _burst}
"""By the neuron's class. Only for neurons whose sum of spikes is a function of the charge alone."""
