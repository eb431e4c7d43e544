"""Steps for each layer: few where errors hardly reach the outputs or spikes cost much (a Lagrangian over layers)."""

from __future__ import annotations

from dataclasses import replace

import torch

from respike.bounds import Count, Positive
from respike.calibrate import Calibration, first_images
from respike.citations import SHOHAM_1988
from respike.errors import InvalidPlan
from respike.ir import Network
from respike.plan import Plan
from respike.refine.choices import allotted, choices, see_errors, see_operations
from respike.refine.correct_biases import correct_biases
from respike.refine.least_squares import with_units
from respike.refine.refinement import refinement
from respike.schedule import Layerwise


@refinement(SHOHAM_1988)
def mixed_steps(
    plan: Plan, network: Network, calibration: Calibration, *, error: Positive = 1.0, images: Count = 32
) -> Plan:
    """Gives each few-spikes population steps of its own: the fewest operations at the output error that the plan has.

        K_l = argmin_K  E_l(K) + λ O_l(K),    E_l(K) = mean (vᵀ J_l (q_K(x_l) - x_l))²

    O_l are the operations that the spikes of layer l make with K steps. E_l is the squared error of the outputs that
    its rounding makes, to first order: J_l is the derivative of the outputs by the layer's activations x_l, and v
    random directions, so that a few backward passes serve all layers and all K. λ is the largest one with
    `Σ E_l(K_l) ≤ error² · Σ E_l(K)`, on the right with the steps before. Then units are chosen anew by `least_squares`,
    and mean errors are corrected anew where they were corrected. Fitted neurons keep their steps.

    *Source*: the allocation of bits is Shoham and Gersho's. That errors are weighed by derivatives, and bits by
    operations, is ours here.
    Costs a few passes over the images; the K that is left is the largest that a layer has.

    Args:
        plan: the plan to refine, of few-spikes neurons.
        network: the network that it is for.
        calibration: images from the training set.
        error: the error of the outputs in multiples of the one before, to first order; above 1, fewer spikes.
        images: how many of them steps are chosen on, at most.

    Raises:
        InvalidPlan: no neurons with steps that can be changed.
    """
    before = {name: replace(site, extra_current=0.0) for name, site in plan.sites.items()}
    layers = list(choices(replace(plan, sites=before), network, calibration))
    if not layers or not isinstance(plan.schedule, Layerwise):
        kinds = ", ".join(dict.fromkeys(site.neuron.describe() for site in plan.sites.values())) or "no neurons"
        raise InvalidPlan(
            f"mixed_steps changes the steps of few-spikes neurons, and this plan has {kinds}: "
            "use a method such as few_spikes, canonic_spikes or every_edge"
        )
    given = first_images(network, calibration, images)
    see_errors(layers, network, given)
    see_operations(layers, replace(plan, sites=before), network, given)
    chosen = allotted(layers, error**2 * sum(layer.errors[0] for layer in layers))
    sites = dict(before)
    for layer, more in zip(layers, chosen, strict=True):
        sites |= layer.sites[more]
    window = max(site.neuron.window or 0 for site in sites.values())
    channelled = [name for name, site in plan.sites.items() if torch.as_tensor(site.threshold).numel() > 1]
    refined = with_units(replace(plan, sites=sites, schedule=Layerwise(window)), network, calibration, channelled)
    if any(bool(torch.as_tensor(site.extra_current).any()) for site in plan.sites.values()):
        refined = correct_biases(refined, network, calibration)
    return refined
