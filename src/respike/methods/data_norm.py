"""Diehl 2015, Algorithm 2: normalisation from data."""

from __future__ import annotations

from respike.bounds import StepCount
from respike.calibrate import Calibration, largest_weights, observe, sites
from respike.citations import DIEHL_2015, DIEHL_REPLICATION
from respike.ir import Network
from respike.methods.method import published
from respike.neurons import IntegrateFire, Reset, ToValue
from respike.plan import Plan
from respike.schedule import Steady


@published(DIEHL_2015, DIEHL_REPLICATION)
def data_norm(
    network: Network, calibration: Calibration, *, steps: StepCount = 100, reset: Reset = ToValue(0.0)
) -> Plan:
    """Uses the largest activation or weight of each layer as its threshold, whichever is larger.

    *Paper*: `scale_l = max(max weight, max activation)`, weights of layer l times `scale_{l-1} / scale_l`, threshold 1.
    *As printed*: the replication carries `scale_factor` from layer to layer, so that successive factors cancel as they
    should. The authors' original program carries `applied_factor`, which differs from the third weighted layer on.
    *As built*: the replication's, as thresholds in activation units, `theta_l = scale_l`.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        reset: what a neuron does after a spike.
    """
    activations = observe(network, calibration)
    weights = largest_weights(network)
    scales = {name: max(float(seen.maximum.max()), weights[name]) for name, seen in activations.items()}
    return Plan(sites=sites(network, scales, neuron=IntegrateFire(reset)), schedule=Steady(steps))
