"""Burst spikes (Li and Zeng 2022)."""

from __future__ import annotations

from respike import refine
from respike.bounds import Count, Percentile, StepCount
from respike.calibrate import Calibration
from respike.citations import LI_ZENG_2022
from respike.ir import Network
from respike.methods.method import published
from respike.methods.percentile_norm import percentile_norm
from respike.methods.search import SWITCH, Real, Steps, Whole
from respike.plan import Plan


@published(
    LI_ZENG_2022,
    search={"steps": Steps(), "most": Whole(1, 10), "percentile": Real(99.0, 100.0), "per_channel": SWITCH},
)
def burst(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 32,
    most: Count = 5,
    percentile: Percentile = 99.9,
    per_channel: bool = False,
) -> Plan:
    """Scales each layer by a high percentile; neurons send several spikes in a step to make up for what they missed.

        s = clip(floor(v / θ), 0, most);   v ← v - θ s

    *Paper*: `most = 5`; thresholds from the largest activations or a percentile of them; for max pools, lateral
    inhibition. *As built*: the percentile of `percentile_norm`; max pools pass on by how much the maximum of the
    accumulated currents grew, which is exact in total. Every spike of a burst counts.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        most: spikes of a neuron in one step, at most.
        percentile: the percentile, in (0, 100].
        per_channel: one scale for each channel in place of one for the layer.
    """
    plan = percentile_norm(network, calibration, steps=steps, percentile=percentile, per_channel=per_channel)
    return refine.burst(plan, most=most)
