"""ECC's thresholding for residual elimination."""

from __future__ import annotations

from dataclasses import replace

from respike.bounds import PartialShare
from respike.citations import ECC
from respike.plan import Plan
from respike.refine.refinement import refinement
from respike.refine.sites import each


@refinement(ECC)
def residual_elimination(plan: Plan, *, eta: PartialShare = 0.5) -> Plan:
    """Adds a fraction of the threshold to the current of every neuron, spread over all steps (ECC Eq. 9).

        b ← b + eta · θ / T

    In all steps together, a neuron receives `eta` thresholds more, so that it loses between −eta and 1 − eta
    thresholds instead of between 0 and 1. The current depends on the plan's number of steps. `initial_potential`
    adds the same charge at once. Costs nothing.

    Args:
        plan: the plan to refine.
        eta: the fraction of the threshold, in [0, 1).
    """
    steps = plan.schedule.input_steps
    return each(plan, lambda site: replace(site, extra_current=site.threshold * eta / steps))
