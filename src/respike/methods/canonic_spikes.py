"""Few spikes in canonic signed digits (Gu et al.): the values of few spikes with fewer spikes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from respike.bounds import Bounds
from respike.calibrate import Calibration
from respike.citations import FEW_SPIKES, GU_2024
from respike.ir import Network
from respike.methods.few_spikes import few_spikes
from respike.methods.method import published
from respike.methods.search import SWITCH, Whole
from respike.neurons import CanonicFewSpikes, FewSpikes
from respike.neurons.few_spikes import MOST_STEPS
from respike.plan import Plan, Site


@published(GU_2024, FEW_SPIKES, search={"steps": Whole(1, 12), "per_channel": SWITCH, "correct_bias": SWITCH})
def canonic_spikes(
    network: Network,
    calibration: Calibration,
    *,
    steps: Annotated[int, Bounds(1, MOST_STEPS, whole=True)] = 8,
    per_channel: bool = True,
    correct_bias: bool = True,
    analog: tuple[str, ...] = (),
) -> Plan:
    """Few-spikes neurons that also send negative spikes: the same values with fewer spikes.

    The neuron of a ReLU delivers `u · clip(floor(x / u + 1/2), 0, 2^K - 1)`, as in `few_spikes`, as a sum of signed
    powers of two, with the fewest spikes that K steps allow. Neurons of other functions stay as `few_spikes` fits them.

    *Paper*: one code for all layers, each a step behind the layer before it; weights are scaled by the largest
    activation. *As built*: layer by layer, and the units and corrections of `few_spikes`.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: K, the steps of each layer.
        per_channel: one unit for each channel in place of one for the layer.
        correct_bias: give back each channel's mean error.
        analog: names of nodes that stay analog, or patterns of names (`*gate*`).
    """
    plan = few_spikes(
        network, calibration, steps=steps, per_channel=per_channel, correct_bias=correct_bias, analog=analog
    )
    sites = {name: _canonic(site) for name, site in plan.sites.items()}
    return Plan(sites=sites, schedule=plan.schedule, analog=plan.analog)


def _canonic(site: Site) -> Site:
    neuron = site.neuron
    return replace(site, neuron=CanonicFewSpikes(neuron.steps)) if isinstance(neuron, FewSpikes) else site
