"""Thresholds that are balanced on the inputs that clipped layers see, by many small steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from respike.bounds import Count
from respike.calibrate import Calibration, image_batches, site
from respike.citations import BU_2025
from respike.errors import InvalidPlan
from respike.ir import Activation, Identity, Network, Node, ceiling, channelwise, evaluate, walk
from respike.plan import Plan
from respike.refine.refinement import refinement
from respike.refine.sites import rescaled


@refinement(BU_2025)
def balance_thresholds(
    plan: Plan, network: Network, calibration: Calibration, *, updates: Count = 256, batch: Count = 16
) -> Plan:
    """Raises each channel's threshold by the mean of what exceeds it, starting from 0 (local threshold balancing).

        θ_c ← θ_c + 2 · mean(max(a_c − θ_c, 0)),   a ← min(a, θ)

    in all layers at once: each sees the activations that the thresholds before it have clipped. The mean is over the
    images of an update and all positions. In the end so few activations exceed a threshold that they hardly move it.
    The initial potential keeps its share of the threshold. Costs a pass over `updates · batch` images.

    Args:
        plan: the plan to refine.
        network: the network that it is for.
        calibration: images from the training set; they come again where there are too few.
        updates: how often thresholds are raised.
        batch: images of one update.
    """
    for name, one in plan.sites.items():
        if isinstance(one.neuron.computes, Identity):
            raise InvalidPlan(f"balance_thresholds clips ReLUs, and {name!r} sends both signs: use least_squares")
    tops: dict[str, Tensor] = {}

    def value(node: Node, inputs: list[Tensor]) -> Tensor:
        found = evaluate(node, inputs)
        if not isinstance(node, Activation) or node.name not in plan.sites:
            return found
        key = node.population or node.name
        channels = found.transpose(0, 1).flatten(1)
        top = tops.get(key, channels.new_zeros(len(channels)))
        tops[key] = top + 2 * (channels - top.unsqueeze(1)).clamp(min=0).mean(1)
        return found.minimum(channelwise(tops[key], found.ndim))

    with torch.no_grad():
        for images in islice(_again(network, calibration, batch), updates):
            for _ in walk(network.nodes, value, network.check_inputs((images,))):
                pass
    sites = dict(plan.sites)
    for node in network.activations:
        if node.name in sites and sites[node.name].neuron.domain is None:
            before = sites[node.name]
            threshold = tops[node.population or node.name].double() / before.neuron.largest
            highest = ceiling(node.function) / before.neuron.largest
            sites[node.name] = rescaled(before, site(node.name, threshold, highest, neuron=before.neuron))
    return replace(plan, sites=sites)


def _again(network: Network, calibration: Calibration, batch: int) -> Iterator[Tensor]:
    """The calibration images in batches, over and over."""
    while True:
        for images in image_batches(network, calibration):
            yield from torch.split(images, batch)
