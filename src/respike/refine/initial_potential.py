"""A head start, so that neurons round to the nearest."""

from __future__ import annotations

from dataclasses import replace

from respike.bounds import PartialShare
from respike.citations import BU_2022
from respike.plan import Plan
from respike.refine.refinement import refinement
from respike.refine.sites import each


@refinement(BU_2022)
def initial_potential(plan: Plan, *, share: PartialShare = 0.5) -> Plan:
    """Starts every neuron with a fraction of its threshold as potential.

        v(0) = share · θ

    With constant input, a neuron that starts at 0 sends `floor(x T / θ)` spikes, and one that starts at half its
    threshold rounds to the nearest. Costs nothing.

    Args:
        plan: the plan to refine.
        share: the fraction of the threshold, in [0, 1).
    """
    return each(plan, lambda site: replace(site, initial_potential=site.threshold * share))
