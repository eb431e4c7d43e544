"""Initial potentials that make up for what a layer sends too much or too little in the mean."""

from __future__ import annotations

from dataclasses import replace

from respike.bounds import Count
from respike.calibrate import Calibration
from respike.citations import LI_2021
from respike.ir import Network, evaluate
from respike.plan import Plan, Site
from respike.refine.correct_biases import channel_means
from respike.refine.front_to_back import Layer, front_to_back
from respike.refine.refinement import refinement


@refinement(LI_2021)
def calibrate_potentials(plan: Plan, network: Network, calibration: Calibration, *, images: Count = 256) -> Plan:
    """Corrects the mean error of each channel's spikes with an initial potential, layer by layer.

        v_c(0) ← v_c(0) + T · (mean(a_c) − mean(â_c))

    with a the activations of the network and â what the neurons send on average in a step, in the same units, while
    the layers before are already corrected. The whole charge is there from the first step on, while
    `correct_biases` adds it step by step. Costs two simulations of the images.

    Args:
        plan: the plan to refine, for the number of steps that it will run.
        network: the network that it is for.
        calibration: images from the training set.
        images: how many of them are used, at most.
    """

    def calibrated(layer: Layer) -> Site:
        if layer.node.population or layer.site.neuron.domain is not None:
            return layer.site
        error = channel_means(evaluate(layer.node, [layer.wanted])) - channel_means(layer.sent(layer.site))
        charge = layer.site.initial_potential + plan.decoding * error.cpu()
        return replace(layer.site, initial_potential=charge)

    return replace(plan, sites=front_to_back(network, plan, calibration, images, calibrated))
