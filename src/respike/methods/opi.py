"""Optimised potential initialisation (Bu et al. 2022)."""

from __future__ import annotations

from respike import refine
from respike.bounds import StepCount
from respike.calibrate import Calibration
from respike.citations import BU_2022
from respike.ir import Network
from respike.methods.max_norm import max_norm
from respike.methods.method import published
from respike.plan import Plan


@published(BU_2022)
def opi(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 64,
    per_channel: bool = False,
) -> Plan:
    """Scales each layer by its largest activation; neurons start at half their threshold, so that they round.

    *Paper*: `v(0) = θ / 2`, which makes the expected error of a layer zero; thresholds are the largest activations, of
    networks that were trained with a clip on them. *As built*: the largest activations on calibration data, and at most
    the clip of an activation that has one.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        per_channel: one threshold for each channel in place of one for the layer.
    """
    return refine.initial_potential(max_norm(network, calibration, steps=steps, per_channel=per_channel))
