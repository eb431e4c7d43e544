"""Thresholds that lose least by rounding and saturation together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch

from respike.calibrate import Calibration, for_channels, least_squares_units, observe, site, together
from respike.citations import LI_2021
from respike.ir import Activation, Network, ceiling
from respike.plan import Plan, Quantity, Site
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
    return with_units(plan, network, calibration, plan.sites.keys() if per_channel else ())


def with_units(plan: Plan, network: Network, calibration: Calibration, channelled: Collection[str]) -> Plan:
    """The plan with the thresholds that `least_squares` chooses: for each channel of some sites, for others as a whole.

    Args:
        plan: the plan.
        network: the network that it is for.
        calibration: images from the training set.
        channelled: the sites with a threshold for each channel.
    """
    seen = observe(network, calibration, per_channel=bool(channelled))
    sites = dict(plan.sites)
    for nodes in groups(network, plan):
        before = plan.sites[nodes[0].name]
        if before.neuron.domain is None:
            statistics = together([seen[node.name] for node in nodes])
            if nodes[0].name not in channelled:
                statistics = statistics.layer
            units = least_squares_units(statistics, levels(plan, before), rounding(before))
            channels = for_channels(units, network, nodes[0].name) if len(units) > 1 else float(units)
            sites |= {node.name: with_unit(plan, before, node, channels) for node in nodes}
    return replace(plan, sites=sites)


def rounding(site: Site) -> float:
    """The initial potential in thresholds: 0 rounds down, 1/2 to the nearest."""
    return float(torch.as_tensor(site.initial_potential / site.threshold).mean())


def with_unit(plan: Plan, before: Site, node: Activation, units: Quantity) -> Site:
    """The site of an activation with the threshold that sends multiples of a unit, at most those that a clip allows."""
    threshold = units * spikes_in_threshold(plan, before)
    highest = ceiling(node.function) / before.neuron.largest
    return rescaled(before, site(node.name, threshold, highest, neuron=before.neuron))
