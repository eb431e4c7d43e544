"""Refinements: functions from a plan to a better plan, one file each, to be put one after the other.

    plan = methods.percentile_norm(network, calibration, steps=16)
    plan = refine.initial_potential(plan)
    plan = refine.least_squares(plan, network, calibration)
    plan = refine.correct_biases(plan, network, calibration)

Each takes the plan, then the network and the calibration images if it needs them, then its options by keyword.
"""

from typing import Any

from respike.errors import UnknownName
from respike.refine.balance_thresholds import balance_thresholds as balance_thresholds
from respike.refine.burst import burst as burst
from respike.refine.calibrate_offsets import calibrate_offsets as calibrate_offsets
from respike.refine.calibrate_potentials import calibrate_potentials as calibrate_potentials
from respike.refine.correct_biases import correct_biases as correct_biases
from respike.refine.encoder import encoder as encoder
from respike.refine.fit_digits import fit_digits as fit_digits
from respike.refine.fit_thresholds import fit_thresholds as fit_thresholds
from respike.refine.fit_values import fit_values as fit_values
from respike.refine.initial_potential import initial_potential as initial_potential
from respike.refine.least_squares import least_squares as least_squares
from respike.refine.match_outputs import match_outputs as match_outputs
from respike.refine.mixed_steps import mixed_steps as mixed_steps
from respike.refine.read_late import read_late as read_late
from respike.refine.refinement import Refinement as Refinement
from respike.refine.refinement import Step as Step
from respike.refine.refinement import refinement as refinement
from respike.refine.residual_elimination import residual_elimination as residual_elimination
from respike.refine.settle import settle as settle
from respike.refine.signed import signed as signed
from respike.refine.silence_residuals import silence_residuals as silence_residuals
from respike.refine.spiking_output import spiking_output as spiking_output

ALL: tuple[Refinement[Any], ...] = (
    least_squares,
    balance_thresholds,
    initial_potential,
    correct_biases,
    settle,
    fit_thresholds,
    fit_values,
    calibrate_potentials,
    residual_elimination,
    calibrate_offsets,
    silence_residuals,
    signed,
    burst,
    mixed_steps,
    fit_digits,
    match_outputs,
    read_late,
    encoder,
    spiking_output,
)


def find(name: str) -> Refinement[Any]:
    """The refinement of that name; `UnknownName` gives the nearest match."""
    by_name = {one.name: one for one in ALL}
    key = name.replace("-", "_")
    if key not in by_name:
        raise UnknownName("refinement", name, by_name)
    return by_name[key]
