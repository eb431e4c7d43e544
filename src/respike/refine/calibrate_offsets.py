"""Neurons that were a spike off in a rehearsal start a threshold higher or lower."""

from __future__ import annotations

from dataclasses import replace

from respike.bounds import StepCount
from respike.citations import HAO_2023_OFFSET
from respike.errors import InvalidPlan
from respike.neurons import IntegrateFire, Neuron, OffsetCorrected
from respike.plan import Plan
from respike.refine.refinement import refinement
from respike.refine.sites import with_neurons
from respike.schedule import Steady


@refinement(HAO_2023_OFFSET)
def calibrate_offsets(plan: Plan, *, rehearsal: StepCount = 8) -> Plan:
    """Runs some steps first and corrects neurons that were a spike off (calibrated offset spikes).

        v(0) ← v(0) + θ where v(ρ) ≥ θ;   v(0) ← v(0) − θ where v(ρ) < 0

    with v(ρ) the potential that is left after the ρ steps of the rehearsal, for each image anew. Outputs count from the
    step behind it. Costs ρ steps and their spikes.

    Args:
        plan: the plan to refine; its neurons reset by subtraction.
        rehearsal: ρ, the steps of the rehearsal.
    """
    return rehearsed(plan, "calibrate_offsets", OffsetCorrected(rehearsal), rehearsal)


def rehearsed(plan: Plan, refinement: str, neuron: Neuron, steps: int) -> Plan:
    """The plan with neurons that rehearse, for so many steps more, which no output counts."""
    if not isinstance(plan.schedule, Steady):
        raise InvalidPlan(f"{refinement} needs an input that stays on: use a method with a steady schedule")
    plan = with_neurons(plan, refinement, lambda n: neuron if isinstance(n, IntegrateFire) and n.lossless else None)
    later = replace(plan.readout, after=plan.readout.after + steps)
    return replace(plan, schedule=Steady(plan.schedule.steps + steps), readout=later)
