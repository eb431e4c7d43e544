"""Neurons whose potential was negative after a rehearsal fall silent."""

from __future__ import annotations

from respike.bounds import StepCount
from respike.citations import HAO_2023_RESIDUAL
from respike.neurons import ResidualSilenced
from respike.plan import Plan
from respike.refine.calibrate_offsets import rehearsed
from respike.refine.refinement import refinement


@refinement(HAO_2023_RESIDUAL)
def silence_residuals(plan: Plan, *, rehearsal: StepCount = 4) -> Plan:
    """Runs some steps first and silences the neurons that end below 0 (residual membrane potential).

        s(t) = 0 for t > τ, where v(τ) < 0

    with v(τ) the potential after the τ steps of the rehearsal, for each image anew; then all neurons start again. Most
    wrong spikes are those of neurons whose activation is 0, and these end below 0. Outputs count from the step behind
    the rehearsal. Costs τ steps and their spikes.

    Args:
        plan: the plan to refine; its neurons reset by subtraction.
        rehearsal: τ, the steps of the rehearsal.
    """
    return rehearsed(plan, "silence_residuals", ResidualSilenced(rehearsal), rehearsal)
