"""Residual membrane potential (Hao et al. 2023)."""

from __future__ import annotations

from respike import refine
from respike.bounds import StepCount
from respike.calibrate import Calibration
from respike.citations import HAO_2023_RESIDUAL
from respike.ir import Network
from respike.methods.method import published
from respike.methods.quantised import rounding
from respike.plan import Plan


@published(HAO_2023_RESIDUAL)
def residual_potential(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 8,
    rehearsal: StepCount = 4,
    per_channel: bool = True,
) -> Plan:
    """Rehearses, silences the neurons whose potential ends below zero, and starts again.

        s(t) = 0 for t > τ, where v(τ) < 0

    *Paper*: networks that were trained with quantised activations, θ = λ, v(0) = θ / 2; τ steps whose outputs are left
    out, then T steps. *As built*: also for other networks, whose thresholds have the least squared error for `steps`
    levels; all layers rehearse at the same time.

    Args:
        network: the network to convert.
        calibration: images from the training set; not looked at where the network has levels.
        steps: time steps behind the rehearsal.
        rehearsal: τ, the steps of the rehearsal.
        per_channel: one threshold for each channel in place of one for the layer, for networks without levels.
    """
    plan = rounding(network, calibration, steps=steps, per_channel=per_channel)
    return refine.silence_residuals(plan, rehearsal=rehearsal)
