"""Digits fitted to what the populations on edges send, weighed by what errors do to the outputs."""

from __future__ import annotations

from dataclasses import replace

import torch

from respike.bounds import Count, Positive
from respike.calibrate import Calibration, first_images
from respike.citations import FEW_SPIKES, SHOHAM_1988
from respike.errors import InvalidPlan
from respike.ir import Network
from respike.neurons import SignedDigits
from respike.plan import Plan, Site
from respike.refine.correct_biases import correct_biases
from respike.refine.edge_digits import edges_of, within
from respike.refine.refinement import refinement


@refinement(FEW_SPIKES, SHOHAM_1988)
def fit_digits(
    plan: Plan, network: Network, calibration: Calibration, *, operations: Positive = 1.0, images: Count = 512
) -> Plan:
    """Gives the populations on edges digits that are fitted to their values, in as many steps as they have.

        T, h = argmin  mean (Σ_i g_i (x_i - Σ_t h(t) s_i(t)))² + λ · (targets + 24) · mean Σ |s_i(t)|

    with x the values of an edge in the network, in the units that the plan has for its channels, and g the derivative
    of the outputs by them, in random directions. Powers of two reach 2^K - 1 units, so a few large values make the unit
    large for all. Fitted digits are worth more than twice the next one (`neurons.FittedDigits`). λ, the price of an
    operation, is the same for all edges, and such that together they make as many operations as before, times
    `operations`; sending a spike counts as 24 of them. Then mean errors are corrected anew where they were corrected.

    *Source*: fitted sequences are Stöckl and Maass's, the one price for all layers is Shoham and Gersho's. Digits of
    both signs, and errors weighed by derivatives, are ours.
    Costs a few passes over the images and the searches: seconds.

    Args:
        plan: the plan to refine, with populations on edges (`methods.every_edge`).
        network: the network that it is for.
        calibration: images from the training set.
        operations: operations of these populations in multiples of those before.
        images: how many of them digits are fitted to, at most; few seem to cancel errors that others do not.

    Raises:
        InvalidPlan: no population on an edge.
    """
    names = [name for name, site in plan.sites.items() if isinstance(site.neuron, SignedDigits)]
    if not names:
        raise InvalidPlan(
            "fit_digits fits the digits of populations on edges (neurons.SignedDigits), and this plan has none: use "
            "the method every_edge"
        )
    spiking = plan.on(network)
    edges = edges_of(plan, spiking, first_images(spiking, calibration, images), names)
    sites = dict(plan.sites)
    for name, neuron in within(edges, operations * sum(edge.spent for edge in edges.values())).items():
        sites[name] = Site(plan.sites[name].threshold, neuron=neuron)
    refined = replace(plan, sites=sites)
    if any(bool(torch.as_tensor(site.extra_current).any()) for site in plan.sites.values()):
        refined = correct_biases(refined, network, calibration)
    return refined
