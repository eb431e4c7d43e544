"""IBM's TrueNorth: crossbars of binary synapses, whose axons have one of four types."""

from __future__ import annotations

from collections.abc import Sequence

from respike.hardware.chip import Broken, Chip
from respike.hardware.layers import Layer
from respike.plan import Plan

AXON_TYPES = 4
"""How many weights a neuron can choose from: one for each type of axon."""


def _further(layers: Sequence[Layer], plan: Plan) -> list[Broken]:
    fix = "train with weights of few levels (ternary ones fit), then convert"
    return [
        Broken(layer.name, "different weights of a neuron", str(count), f"{AXON_TYPES}, one for each axon type", fix)
        for layer in layers
        if (count := layer.distinct_weights) > AXON_TYPES
    ]


CHIP = Chip(
    name="truenorth",
    title="IBM TrueNorth",
    sources=(
        "Merolla et al. 2014, A million spiking-neuron integrated circuit with a scalable communication network and "
        "interface, Science 345, doi:10.1126/science.1254642: 4,096 cores of 256 axons and 256 neurons",
        "Cassidy et al. 2013, Cognitive computing building block: a versatile and efficient digital neuron model for "
        "neurosynaptic cores, IJCNN, doi:10.1109/IJCNN.2013.6707077: signed weights of 9 bits, one for each of four "
        "axon types, and potentials of 20 bits",
    ),
    weight_bits=9,
    membrane_bits=20,
    cores=4096,
    neurons_per_core=256,
    fan_in=256,
    fan_out=256,
    further=_further,
    notes="A neuron sends to one axon, so to neurons of one core; more targets need copies of the neuron.",
)
