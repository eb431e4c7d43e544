"""Calibrated offset spikes (Hao et al. 2023)."""

from __future__ import annotations

from respike import refine
from respike.bounds import StepCount
from respike.calibrate import Calibration
from respike.citations import HAO_2023_OFFSET
from respike.ir import Network
from respike.methods.method import published
from respike.methods.quantised import rounding
from respike.plan import Plan


@published(HAO_2023_OFFSET)
def offset_spikes(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 8,
    rehearsal: StepCount = 8,
    per_channel: bool = True,
) -> Plan:
    """Rehearses, corrects neurons that were a spike off by a threshold of initial potential, and starts again.

        v(0) ← v(0) + θ where v(ρ) ≥ θ;   v(0) ← v(0) − θ where v(ρ) < 0

    *Paper*: networks that were trained with quantised activations, θ = λ, v(0) = θ / 2; the shift may be repeated.
    *As printed*, the shift that corrects a spike lies in an interval that depends on the order of the inputs. *As
    built*: a threshold, as in its program, once; networks without levels get thresholds with the least squared error
    for `steps` levels.

    Args:
        network: the network to convert.
        calibration: images from the training set; not looked at where the network has levels.
        steps: time steps behind the rehearsal.
        rehearsal: ρ, the steps of the rehearsal.
        per_channel: one threshold for each channel in place of one for the layer, for networks without levels.
    """
    plan = rounding(network, calibration, steps=steps, per_channel=per_channel)
    return refine.calibrate_offsets(plan, rehearsal=rehearsal)
