"""Signed spikes with memory (Wang et al. 2022; You et al. 2024)."""

from __future__ import annotations

from respike import refine
from respike.bounds import StepCount
from respike.calibrate import Calibration
from respike.citations import WANG_2022, YOU_2024
from respike.ir import Network
from respike.methods.method import published
from respike.neurons import SignedIntegrateFire
from respike.plan import Plan, Site
from respike.schedule import Steady


@published(WANG_2022, YOU_2024)
def signed(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 16,
    per_channel: bool = True,
) -> Plan:
    """Neurons that take spikes back: for few steps in deep networks.

        z = 1 where v ≥ θ;   z = -1 where v < 0 and Σ z > 0;   v ← v - θ z

    *Paper* (Wang et al.): negative spikes of neurons that remember how many they sent; a threshold for each neuron.
    You et al. start at half a threshold and bound the sum, for networks trained with quantised activations. *As built*:
    one threshold for each channel, with the least squared error for `steps` levels; neurons start at half of it. A sum
    of more than `steps` spikes cannot be, so there is nothing to bound.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        per_channel: one threshold for each channel in place of one for the layer.
    """
    sites = {node.name: Site(1.0, neuron=SignedIntegrateFire()) for node in network.activations}
    plan = refine.initial_potential(Plan(sites=sites, schedule=Steady(steps)))
    return refine.least_squares(plan, network, calibration, per_channel=per_channel)
