"""SynSense's Xylo Audio 2, a small chip for signals of few channels."""

from __future__ import annotations

from collections.abc import Sequence

from respike.hardware.chip import Broken, Chip
from respike.hardware.layers import Layer
from respike.plan import Plan

INPUTS, HIDDEN, OUTPUTS, WEIGHTS = 16, 1000, 8, 64_000


def _further(layers: Sequence[Layer], plan: Plan) -> list[Broken]:
    *hidden, last = layers
    neurons, weights = sum(layer.neurons for layer in hidden), sum(layer.weights for layer in layers)
    inputs = max((one.weight.shape[1] for one in layers[0].maps), default=0) if layers else 0
    counts = (
        (layers[0].name, "input channels", inputs, INPUTS, "use a signal of fewer channels"),
        ("", "hidden neurons", neurons, HIDDEN, "use smaller layers"),
        (last.name, "output neurons", last.neurons, OUTPUTS, "use fewer classes"),
        ("", "weights", weights, WEIGHTS, "use smaller layers, or prune"),
    )
    found = [Broken(where, what, f"{n:,}", f"{most:,}", fix) for where, what, n, most, fix in counts if n > most]
    convolved = next((layer for layer in layers if any(one.weight.ndim > 2 for one in layer.maps)), None)
    if convolved is not None:
        fix = "write it as linear maps, if its neurons are few enough"
        found.append(Broken(convolved.name, "convolution", "one", "linear maps alone", fix))
    return found


CHIP = Chip(
    name="xylo",
    title="SynSense Xylo Audio 2 (SYNS61201)",
    sources=(
        "https://rockpool.ai/devices/xylo-overview.html: 16 input channels, 1000 hidden and 8 output neurons, weights "
        "of 8 bits, subtractive reset with up to 31 events of a hidden neuron in a step",
        "https://open-neuromorphic.org/neuromorphic-computing/hardware/xylo-synsense/: states of 16 bits, a fan-in of "
        "at most 63, 64,000 weights",
    ),
    weight_bits=8,
    membrane_bits=16,
    cores=1,
    shared=True,
    fan_in=63,
    spikes_per_step=31,
    further=_further,
    notes="One core holds the whole network.",
)
