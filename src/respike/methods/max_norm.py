"""Max-normalisation, as FIT and ECC state it."""

from __future__ import annotations

from respike.bounds import StepCount
from respike.calibrate import Calibration, observe, sites
from respike.citations import DIEHL_2015, FIT
from respike.ir import Network
from respike.methods.method import published
from respike.neurons import IntegrateFire, Reset, Subtract
from respike.plan import Plan
from respike.schedule import Steady


@published(FIT, DIEHL_2015)
def max_norm(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 64,
    per_channel: bool = False,
    reset: Reset = Subtract(),
) -> Plan:
    """Uses the largest activation of each layer on calibration images as its threshold, so that none saturates.

    *Paper*: FIT Eq. 8.
    *As printed*, `f_l = 1 / (f_{l-1} · a_max_l)`, which gives a wrong scale from the fourth factor on.
    *As built*: what the paper means, weights of layer l times `a_max_{l-1} / a_max_l`, as thresholds
    `theta_l = a_max_l`.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        per_channel: one threshold for each channel instead of one for the layer.
        reset: what a neuron does after a spike.
    """
    activations = observe(network, calibration)
    scales = {name: seen.maximum if per_channel else float(seen.maximum.max()) for name, seen in activations.items()}
    return Plan(sites=sites(network, scales, neuron=IntegrateFire(reset)), schedule=Steady(steps))
