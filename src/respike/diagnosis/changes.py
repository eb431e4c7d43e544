"""Plans with one thing changed: what advice is tried by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from respike.plan import Plan, Site
from respike.schedule import InputThenDrain, Layerwise, Steady


@dataclass(frozen=True, eq=False)
class Change:
    """A plan in which something was changed, and what that was."""

    plan: Plan
    what: str


def longer(plan: Plan) -> Change | None:
    """Twice the steps; two more for few-spikes neurons. None where neurons would have to be fitted again."""
    match plan.schedule:
        case Steady(steps=steps):
            # The charge that extra currents bring altogether (ECC's residual elimination) stays what it was.
            halved = {name: replace(one, extra_current=one.extra_current / 2) for name, one in plan.sites.items()}
            return Change(replace(plan, sites=halved, schedule=Steady(2 * steps)), f"{2 * steps} steps")
        case InputThenDrain(input_steps=given, steps=steps) if "steps" in plan.options:  # the input comes first, once
            schedule = replace(plan.schedule, drain_steps=2 * steps - given)
            return Change(plan.with_schedule(schedule), f"{2 * steps} steps")
        case InputThenDrain(input_steps=given, drain_steps=drained):
            schedule = InputThenDrain(2 * given, 2 * drained, plan.schedule.bias_while_draining)
            return Change(plan.with_schedule(schedule), f"{2 * given} steps with input and {2 * drained} without")
        case Layerwise(window=window):
            finer = {name: site for name, one in plan.sites.items() if (site := _finer(one)) is not None}
            if len(finer) < len(plan.sites):
                return None
            steps = max((site.neuron.window or 1 for site in finer.values()), default=window)
            return Change(replace(plan, sites=finer, schedule=Layerwise(steps)), f"{steps} steps a layer")


def drained(plan: Plan) -> Change | None:
    """Twice the steps for draining."""
    match plan.schedule:
        case InputThenDrain(input_steps=given, drain_steps=steps):
            more = max(2 * steps, given)
            return Change(plan.with_schedule(replace(plan.schedule, drain_steps=more)), f"{more} steps without input")
        case _:
            return None


_FITTING = "scales that the largest activations of these images just fit"


def rescaled(plan: Plan, factors: Mapping[str, float], what: str = _FITTING) -> Change:
    """Layers whose every number is multiplied by a factor: the same neurons for another range."""
    sites = {name: _times(one, factors.get(name, 1.0)) for name, one in plan.sites.items()}
    if isinstance(plan.schedule, Layerwise):
        # They gave back the errors of the scales as they were.
        sites = {name: replace(one, extra_current=0.0) for name, one in sites.items()}
    return Change(replace(plan, sites=sites), what)


def started_half(plan: Plan, names: Collection[str]) -> Change:
    """An initial potential of half a threshold, so that neurons round to the nearest."""
    halved = _with_sites(plan, names, lambda one: replace(one, initial_potential=one.threshold * 0.5))
    return Change(halved, "half a threshold to start with")


def subtracting(plan: Plan, names: Collection[str]) -> Change:
    """Reset by subtraction, which keeps what exceeds the threshold."""

    def subtract(one: Site) -> Site:
        return replace(one, neuron=one.neuron.without_loss() or one.neuron)

    return Change(_with_sites(plan, names, subtract), "reset by subtraction")


def recalling(plan: Plan, names: Collection[str]) -> Change:
    """Neurons that can take a spike back, where they reset by subtraction."""

    def recall(one: Site) -> Site:
        return replace(one, neuron=one.neuron.recalling() or one.neuron)

    return Change(_with_sites(plan, names, recall), "neurons that recall spikes")


def unweighted(plan: Plan, names: Collection[str]) -> Change:
    """Spikes that deliver the threshold that they cost."""
    equal = _with_sites(plan, names, lambda one: replace(one, spike_value=one.threshold))
    return Change(equal, "spikes that deliver their threshold")


def _with_sites(plan: Plan, names: Collection[str], change: Callable[[Site], Site]) -> Plan:
    return replace(plan, sites={name: change(one) if name in names else one for name, one in plan.sites.items()})


def _finer(one: Site) -> Site | None:
    """The site with two bits more for the same range."""
    neuron = one.neuron.finer(2)
    if neuron is None:
        return None
    factor = one.neuron.largest / neuron.largest
    return replace(
        one,
        threshold=one.threshold * factor,
        spike_value=one.value * factor,
        initial_potential=one.initial_potential * factor,
        neuron=neuron,
    )


def _times(one: Site, factor: float) -> Site:
    return replace(
        one,
        threshold=one.threshold * factor,
        spike_value=one.value * factor,
        initial_potential=one.initial_potential * factor,
        extra_current=one.extra_current * factor,
        transient=None if one.transient is None else one.transient * factor,
    )
