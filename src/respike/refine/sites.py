"""What refinements do to sites: change those that stand for ReLUs, and ask what a spike stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

from respike.errors import InvalidPlan
from respike.ir import Activation, Network
from respike.neurons import Neuron
from respike.plan import Plan, Site, SpikeCount


def each(plan: Plan, change: Callable[[Site], Site]) -> Plan:
    """The plan with every site changed, that of a spiking output too. Fitted neurons keep their numbers."""

    def changed(site: Site) -> Site:
        return change(site) if site.neuron.domain is None else site

    readout = plan.readout
    return replace(
        plan,
        sites={name: changed(site) for name, site in plan.sites.items()},
        readout=replace(readout, site=changed(readout.site)) if isinstance(readout, SpikeCount) else readout,
    )


def with_neurons(plan: Plan, refinement: str, of: Callable[[Neuron], Neuron | None]) -> Plan:
    """The plan with other neurons. `of` gives what replaces a neuron; where that is None, the plan is refused."""

    def change(site: Site) -> Site:
        neuron = of(site.neuron)
        if neuron is None:
            raise InvalidPlan(
                f"{refinement} changes integrate-and-fire neurons that reset by subtraction; this plan has "
                f"{site.neuron.describe()}"
            )
        return replace(site, neuron=neuron)

    return each(plan, change)


def groups(network: Network, plan: Plan) -> list[list[Activation]]:
    """The activations of each population: one, or all time steps of a recurrent layer, whose neurons are the same."""

    def name(node: Activation) -> str:
        return node.population or node.name

    spiking = sorted((node for node in network.activations if node.name in plan.sites), key=name)
    return [list(nodes) for _, nodes in groupby(spiking, key=name)]


def rescaled(before: Site, after: Site) -> Site:
    """The site with another threshold, and its charges in proportion."""
    start, current = before.initial_potential / before.threshold, before.extra_current / before.threshold
    return replace(after, initial_potential=start * after.threshold, extra_current=current * after.threshold)


def levels(plan: Plan, site: Site) -> float:
    """How many values above zero a neuron of the site can send."""
    return site.neuron.most_in(plan.schedule.steps)


def spikes_in_threshold(plan: Plan, site: Site) -> float:
    """How many of the smallest values that a neuron of the site can send one threshold is: 1, or the time steps."""
    return 1.0 if site.neuron.window is not None else plan.decoding
