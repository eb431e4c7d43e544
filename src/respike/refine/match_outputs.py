"""Thresholds, spike values and currents moved by gradient descent, until the outputs are the network's."""

from __future__ import annotations

from respike.bounds import Count, Positive
from respike.calibrate import Calibration, first_images
from respike.citations import HINTON_2015, LI_2021, YU_2024, ZHANG_2018
from respike.errors import InvalidPlan
from respike.ir import Network
from respike.plan import Plan
from respike.refine.descent import descend
from respike.refine.refinement import refinement


@refinement(HINTON_2015, ZHANG_2018, YU_2024, LI_2021)
def match_outputs(
    plan: Plan,
    network: Network,
    calibration: Calibration,
    *,
    images: Count = 4096,
    rounds: Count = 400,
    rate: Positive = 0.005,
    weights: bool = False,
) -> Plan:
    """Moves the numbers of all populations together, by gradient descent on what the outputs of all layers lack.

        KL(softmax(f(x)) ‖ softmax(f̂(x))) → min    over θ_c e^a, value_c e^b, b_c + θ_c d, and W + D rms(W) if asked

    with f the network and f̂ the spiking one. No labels are used, and weights stay as they are unless asked. All other
    refinements look at one layer at a time; this one lets an error of one layer undo that of another. Each of `rounds`
    steps (Adam) takes 64 images. Half of them are mixed with others, `x ← λ x + (1 − λ) x'`: a network is so sure of
    the images that it was trained on that these alone say little of its outputs for new ones. Derivatives are straight
    through the values of few-spikes neurons, and in time through mean rates, in one pass whatever the number of steps.

    *Source*: outputs as targets are Hinton et al.'s, mixtures Zhang et al.'s, derivatives of mean rates Yu et al.'s. Li
    et al. calibrate weights and potentials by gradients, layer by layer; that only a plan's numbers move is ours. With
    weights it is fine-tuning by distillation: no longer a conversion that leaves the trained weights alone.
    Costs `rounds` times a simulation of 64 images and a pass forward and back.

    Args:
        plan: the plan to refine, for the number of steps that it will run; other refinements come first.
        network: the network that it is for.
        calibration: images from the training set; thousands, or the numbers suit these images alone.
        images: how many of them are used, at most.
        rounds: steps of the descent.
        rate: of Adam, at most: it rises in the first tenth of the steps, and then falls to zero as a cosine.
        weights: whether the weights of linear layers and convolutions move, too. The plan keeps them, and the network
            stays what the conversion is compared with.

    Raises:
        InvalidPlan: an output that is not one value for each class, or a plan of fitted neurons alone.
    """
    if len(network.shapes[network.outputs[0]]) != 1:
        raise InvalidPlan("match_outputs compares classes, and this network has no such output: use fit_values")
    return descend(plan, network, first_images(network, calibration, images), rounds, rate, weights)
