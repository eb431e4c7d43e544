"""Neurons of several thresholds: a signed binary number in every step (Huang et al.)."""

from __future__ import annotations

from typing import Annotated

from respike import refine
from respike.bounds import Bounds, StepCount
from respike.calibrate import Calibration
from respike.citations import HUANG_2024, HUANG_2025
from respike.ir import Network
from respike.methods.method import published
from respike.methods.search import SWITCH, Steps, Whole
from respike.neurons import MultiThreshold
from respike.neurons.multi_threshold import MOST_THRESHOLDS
from respike.plan import Plan, Site
from respike.schedule import Steady


@published(
    HUANG_2024,
    HUANG_2025,
    search={
        "steps": Steps(low=1),
        "thresholds": Whole(1, MOST_THRESHOLDS),
        "per_channel": SWITCH,
        "correct_bias": SWITCH,
    },
)
def multi_threshold(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 4,
    thresholds: Annotated[int, Bounds(1, MOST_THRESHOLDS, whole=True)] = 4,
    per_channel: bool = True,
    correct_bias: bool = True,
) -> Plan:
    """Neurons of several thresholds that halve, of both signs: few steps, several spikes in each.

    With the smallest threshold `u`, a step sends `clip(floor(v / u), -S, 2^n - 1)` as a binary number, S being what was
    sent so far. In one step the network is one whose activations have n bits; every further step makes them finer.

    *Paper*: one spike a step, of the largest threshold that is reached; thresholds found by iteration. *As built*:
    every threshold that is reached sends a spike; `u` has the least squared error for `steps · (2^n - 1)` levels;
    neurons start at half of it. Rates are sent, not their changes (`differential`), so spikes grow with the steps.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        thresholds: n, the number of thresholds.
        per_channel: one threshold for each channel in place of one for the layer.
        correct_bias: give back each channel's mean error.
    """
    sites = {node.name: Site(1.0, neuron=MultiThreshold(thresholds)) for node in network.activations}
    plan = refine.initial_potential(Plan(sites=sites, schedule=Steady(steps)))
    plan = refine.least_squares(plan, network, calibration, per_channel=per_channel)
    return refine.correct_biases(plan, network, calibration) if correct_bias else plan
