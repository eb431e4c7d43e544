"""ECC's input: neurons that encode each pixel into regular spikes."""

from __future__ import annotations

from dataclasses import replace

from respike.calibrate import Calibration, image_batches
from respike.citations import ECC
from respike.coding import IntegrateEncoder
from respike.errors import InvalidData
from respike.ir import Network
from respike.plan import Plan
from respike.refine.refinement import refinement


@refinement(ECC)
def encoder(plan: Plan, network: Network, calibration: Calibration) -> Plan:
    """Encodes the image into regular spikes: one integrate-and-fire neuron per pixel (ECC Algorithm 1).

    Its threshold is the largest pixel of the calibration images, but at least 1: pixels in [0, 1] are encoded as they
    are, whatever these images reach. Costs a look at the images.

    Args:
        plan: the plan to refine.
        network: the network that it is for.
        calibration: images from the training set.

    Raises:
        InvalidData: negative pixels, which spikes cannot send.
    """
    largest = 1.0
    for images in image_batches(network, calibration):
        if float(images.min()) < 0:
            raise InvalidData(
                "the calibration images have negative pixels, which the encoder cannot send: "
                "pass encoder=False for a constant current, or put the normalisation into the network"
            )
        largest = max(largest, float(images.max()))
    return replace(plan, coding=IntegrateEncoder(largest))
