"""One spike a neuron at the most, whose time is the value (Rueckauer and Liu)."""

from __future__ import annotations

from typing import Annotated

from respike import refine
from respike.bounds import Bounds
from respike.calibrate import Calibration
from respike.citations import RUECKAUER_2018
from respike.ir import Network
from respike.methods.method import published
from respike.methods.remedy import Remedy
from respike.methods.search import SWITCH, Whole
from respike.neurons import TimeToFirstSpike
from respike.neurons.first_spike import MOST_BITS
from respike.plan import Plan, Site
from respike.schedule import Layerwise


def _finer(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    time_bits = int(str(plan.options["time_bits"]))
    if time_bits == MOST_BITS:
        return (Remedy(method="few_spikes", note="which takes a step for each bit"),)
    return (Remedy({"time_bits": time_bits + 1}, note="finer values, in twice the time"),)


@published(
    RUECKAUER_2018,
    search={"time_bits": Whole(1, MOST_BITS), "per_channel": SWITCH, "correct_bias": SWITCH},
    remedies=dict.fromkeys(("steps", "silent", "accumulated", "unexplained"), _finer),
)
def time_to_first_spike(
    network: Network,
    calibration: Calibration,
    *,
    time_bits: Annotated[int, Bounds(1, MOST_BITS, whole=True)] = 5,
    per_channel: bool = True,
    correct_bias: bool = True,
) -> Plan:
    """At most one spike a neuron: the sooner it comes, the larger the value that it stands for.

    A neuron delivers `u · clip(floor(x / u + 1/2), 0, N)` by one spike in step `N + 1 - value` of N = 2^time_bits.
    Spikes are the fewest that there can be; the time doubles with every bit.

    *Paper*: a spike's current flows until the end of the window, and thresholds may change with what has not come yet;
    weights are scaled by the largest activations. *As built*: each layer collects its whole input first, then fires, so
    that nothing comes too late; units have the least squared error.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        time_bits: bits of each activation; a layer takes 2^time_bits steps.
        per_channel: one unit for each channel in place of one for the layer.
        correct_bias: give back each channel's mean error.
    """
    sites = {node.name: Site(1.0, neuron=TimeToFirstSpike(time_bits)) for node in network.activations}
    plan = refine.initial_potential(Plan(sites=sites, schedule=Layerwise(2**time_bits)))
    plan = refine.least_squares(plan, network, calibration, per_channel=per_channel)
    return refine.correct_biases(plan, network, calibration) if correct_bias else plan
