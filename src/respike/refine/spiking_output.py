"""Outputs that spike, too."""

from __future__ import annotations

from dataclasses import replace

from respike.calibrate import Calibration, image_batches, site
from respike.citations import ECC
from respike.ir import Network
from respike.plan import Plan, SpikeCount
from respike.refine.refinement import refinement


@refinement(ECC)
def spiking_output(plan: Plan, network: Network, calibration: Calibration) -> Plan:
    """Makes the output layer spike, as the published tool of ECC does.

    The threshold is the largest output on the calibration images. Outputs below zero or above the threshold are
    clipped, and all others are rounded, which can only reduce the accuracy. Hardware that reads spikes needs it.
    Costs one pass over the images.

    Args:
        plan: the plan to refine.
        network: the network that it is for.
        calibration: images from the training set.
    """
    largest = max(float(network(images).max()) for images in image_batches(network, calibration))
    return replace(plan, readout=SpikeCount(site(network.outputs[0], largest), plan.readout.after))
