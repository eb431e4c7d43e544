"""Calibration of the converted network (Li et al. 2021)."""

from __future__ import annotations

from respike import refine
from respike.bounds import Count, StepCount
from respike.calibrate import Calibration
from respike.citations import LI_2021
from respike.ir import Network
from respike.methods.method import published
from respike.plan import Plan, Site
from respike.schedule import Steady


@published(LI_2021)
def snn_calibration(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 32,
    potentials: bool = False,
    images: Count = 256,
) -> Plan:
    """Chooses thresholds by the squared error of their rounding, then gives each channel its mean back, layer by layer.

        θ_c = argmin Σ (θ/T · clip(floor(a T / θ), 0, T) − a)²;   b_c ← b_c + mean(z_c) − mean(ẑ_c)

    *Paper*: two pipelines. The light one corrects biases, from the outputs of each layer; the advanced one calibrates
    initial potentials and weights. *As built*: the light one, with the inputs of layers compared (`correct_biases`),
    and with `potentials` the advanced one's potentials in the place of biases (`calibrate_potentials`). Weights stay as
    they are.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        potentials: calibrate initial potentials in the place of biases.
        images: how many of the calibration images are simulated, at most.
    """
    plan = Plan(sites={node.name: Site(1.0) for node in network.activations}, schedule=Steady(steps))
    plan = refine.least_squares(plan, network, calibration)
    if potentials:
        return refine.calibrate_potentials(plan, network, calibration, images=images)
    return refine.correct_biases(plan, network, calibration, images=images)
