"""Neurons that send several spikes in one step."""

from __future__ import annotations

from respike.bounds import Count
from respike.citations import LI_ZENG_2022
from respike.neurons import Burst, Neuron
from respike.plan import Plan
from respike.refine.refinement import refinement
from respike.refine.sites import with_neurons


@refinement(LI_ZENG_2022)
def burst(plan: Plan, *, most: Count = 5) -> Plan:
    """Lets every neuron send as many spikes in a step as its potential holds thresholds.

        s = clip(floor(v / θ), 0, most),   v ← v − θ s

    All charge that a neuron has accumulated is sent at once. Each spike of a burst is counted. Thresholds chosen
    afterwards (`least_squares`) take into account that `most · T` spikes can be sent. Costs no steps.

    Args:
        plan: the plan to refine; its neurons reset by subtraction.
        most: spikes in one step, 1 at least.
    """

    def bursting(neuron: Neuron) -> Neuron | None:
        return Burst(most) if neuron.lossless and neuron.window is None and not neuron.signed else None

    return with_neurons(plan, "burst", bursting)
