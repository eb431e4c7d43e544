"""A readout that starts when the network has settled."""

from __future__ import annotations

from dataclasses import replace

from respike.bounds import StepCountOrNone
from respike.citations import BU_2025
from respike.plan import Plan
from respike.refine.refinement import refinement


@refinement(BU_2025)
def read_late(plan: Plan, *, after: StepCountOrNone | None = None) -> Plan:
    """Counts outputs from a step on, when the layers in front have settled.

        y ← y(T) − y(after)

    In the first steps of a deep network spikes come that the input does not stand for: later layers fire before the
    inhibition from the layers before them has arrived. What they add to the outputs is left out. The program of Bu et
    al. does so, without a word in the paper. Costs nothing, but there is no output before.

    Args:
        plan: the plan to refine; its schedule is steady.
        after: the steps that are left out; a third of all unless given.
    """
    late = plan.schedule.steps // 3 if after is None else after
    return replace(plan, readout=replace(plan.readout, after=late))
