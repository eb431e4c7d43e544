"""Few-spikes neurons on every edge that multiplies: transformers, gates and linear bottlenecks with nothing to name."""

from __future__ import annotations

from typing import Annotated

from respike import refine
from respike.bounds import Bounds
from respike.calibrate import Calibration, first_images
from respike.citations import FEW_SPIKES, GU_2024
from respike.ir import Activation, Analog, Identity, Network
from respike.methods.few_spikes import fitted, limit, matching
from respike.methods.method import published
from respike.methods.search import SWITCH, Whole
from respike.neurons import CanonicFewSpikes, Neuron, SignedDigits
from respike.neurons.few_spikes import MOST_STEPS
from respike.passes.edges import edges, forks, place, products, spikes
from respike.plan import Plan, Site
from respike.refine.least_squares import with_units
from respike.schedule import Layerwise


@published(FEW_SPIKES, GU_2024, search={"steps": Whole(2, 8), "per_channel": SWITCH, "correct_bias": SWITCH})
def every_edge(
    network: Network,
    calibration: Calibration,
    *,
    steps: Annotated[int, Bounds(1, MOST_STEPS, whole=True)] = 6,
    per_channel: bool = True,
    correct_bias: bool = True,
    analog: tuple[str, ...] = (),
) -> Plan:
    """Lets every linear layer, convolution and product of two signals read spikes, whatever stands in front of it.

    A population sends each value that something multiplies and no ReLU has made: the output of a layer norm, q, k and
    v, attention weights, a GELU, a linear bottleneck. Its neurons have both signs and deliver
    `u · clip(floor(x / u + 1/2), -(2^K - 1), 2^K - 1)` in signed binary digits (`neurons.SignedDigits`); those of ReLUs
    are canonic few-spikes neurons. One input of each product comes as spikes, each of which adds the value of the other
    input. Values of residual streams are held in accumulators.

    What no neuron computes (norms, softmax, GELU and its like) is evaluated, and counted as multiply-accumulates of its
    own: `cost.analog_operations`. All of this is in the plan, so nothing has to be named.

    *Paper*: few-spikes neurons stand for activations (Stöckl and Maass), canonic digits are sent by ReLUs (Gu et al.).
    *As built*: both on every edge; units have the least squared error, for each channel of convolutions, each feature
    of tokens and each head of an attention; neurons round to the nearest.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: K, the steps of each population.
        per_channel: one unit for each channel, feature or head; if off, one for the layer.
        correct_bias: correct each channel's mean error.
        analog: names of further nodes that stay analog, or patterns of names (`*gate*`).
    """
    images = first_images(network, calibration, limit(network))
    kept = matching(network, analog)
    plan = _without_numbers(network, steps, kept)
    network = plan.on(network)
    plan = refine.initial_potential(fitted(plan, network, images, steps))
    channelled = {name for name in plan.sites if per_channel and _has_channels(network, name)}
    plan = with_units(plan, network, calibration, channelled)
    if correct_bias:
        plan = refine.correct_biases(plan, network, images, images=len(images))
    return plan


def _without_numbers(network: Network, steps: int, kept: tuple[str, ...]) -> Plan:
    """The plan but for its numbers: where populations stand, what stays analog, what is held."""
    spiking = place(network, edges(network))
    sending = {name: position for name, position in products(spiking).items() if name not in kept}
    evaluated = (
        node.name
        for node in spiking.nodes
        if (isinstance(node, Activation) and not spikes(node))
        or (isinstance(node, Analog) and node.name not in sending)
        or node.name in kept
    )
    analog = tuple(evaluated)
    return Plan(
        sites={
            node.name: Site(1.0, neuron=_neuron(node, steps)) for node in spiking.activations if node.name not in analog
        },
        schedule=Layerwise(steps),
        analog=analog,
        products=sending,
        held=forks(spiking),
    )


def _neuron(node: Activation, steps: int) -> Neuron:
    return SignedDigits(steps) if isinstance(node.function, Identity) else CanonicFewSpikes(steps)


def _has_channels(network: Network, name: str) -> bool:
    """Whether a population has channels, heads or features that get units of their own: several values each."""
    node = network[name]
    on_edge = isinstance(node, Activation) and isinstance(node.function, Identity)
    return len(network.shapes[name]) > 1 or not on_edge
