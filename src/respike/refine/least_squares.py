"""Thresholds that lose least by rounding and saturation together."""

from __future__ import annotations

from dataclasses import replace

import torch

from respike.calibrate import Calibration, for_channels, least_squares_units, observe, site, together
from respike.citations import LI_2021
from respike.ir import Network, ceiling
from respike.plan import Plan
from respike.refine.refinement import refinement
from respike.refine.sites import groups, levels, rescaled, spikes_in_threshold


@refinement(LI_2021)
def least_squares(plan: Plan, network: Network, calibration: Calibration, *, per_channel: bool = True) -> Plan:
    """Chooses the thresholds with the least squared error between the activations and what the neurons can send.

        θ = argmin Σ (u · clip(floor(x / u + v0 / θ), 0, L) − x)²,   u = θ / T,   L = T spikes at the most

    over the activations x of the calibration images; for few-spikes neurons u = θ and L = 2^K − 1. The initial
    potential v0 keeps its share of the threshold, so choose it first (`initial_potential`). Costs one pass over the
    images.

    Args:
        plan: the plan to refine.
        network: the network that it is for.
        calibration: images from the training set.
        per_channel: one threshold for each channel; if off, one for the layer.
    """
    seen = observe(network, calibration, per_channel=per_channel)
    sites = dict(plan.sites)
    for nodes in groups(network, plan):
        before = plan.sites[nodes[0].name]
        if before.neuron.domain is None:
            offset = float(torch.as_tensor(before.initial_potential / before.threshold).mean())
            units = least_squares_units(together([seen[node.name] for node in nodes]), levels(plan, before), offset)
            channels = for_channels(units, network, nodes[0].name) if len(units) > 1 else float(units)
            threshold = channels * spikes_in_threshold(plan, before)
            highest = ceiling(nodes[0].function) / before.neuron.largest
            after = rescaled(before, site(nodes[0].name, threshold, highest, neuron=before.neuron))
            sites |= {node.name: after for node in nodes}
    return replace(plan, sites=sites)
