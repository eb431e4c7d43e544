"""Han 2020: threshold balancing with smaller thresholds and reset by subtraction (RMP-SNN)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from respike.bounds import Bounds, StepCount
from respike.calibrate import Calibration
from respike.citations import ECC, HAN_2020
from respike.coding import Bernoulli, ConstantCurrent
from respike.ir import Network
from respike.methods.balancing import balanced
from respike.methods.method import published
from respike.methods.remedy import Remedy, without
from respike.methods.search import Real, Steps
from respike.neurons import IntegrateFire, Subtract
from respike.plan import Plan
from respike.schedule import Steady


def _saturating(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    return Remedy({"scale": 1.0}), Remedy(method="max_norm")


@published(
    HAN_2020,
    ECC,
    search={"steps": Steps(), "scale": Real(0.3, 1.0)},
    remedies={"saturation": _saturating, "noisy_input": without("poisson")},
)
def rmp(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 128,
    scale: Annotated[float, Bounds(0, 1, low_open=True)] = 0.8,
    after_balancing: bool = False,
    poisson: bool = False,
) -> Plan:
    """Sets thresholds to a fraction of the largest input current; neurons keep the charge above the threshold.

    *Paper*: `V_n = scale · max over neurons, steps and images of W_n · z_{n-1}(t)`, reset by subtraction. ECC compares
    with 0.8 and 0.9 as RMP-SNN(0.8) and RMP-SNN(0.9). ECC does not say whether a layer is balanced on the spikes of
    thresholds that are scaled already.
    *As built*: it is, so that each threshold is `scale` times the largest current in the converted network; in
    activation units, `scale` times the largest `W_n (theta_{n-1} · z_{n-1}(t)) + b_n`, and a spike delivers its
    threshold. Otherwise as `threshold_balancing`, which has scale 1 and the hard reset. The factor does not compound:
    as long as nothing saturates, rates still decode to the activation, and are at most 1 / scale times higher.
    `after_balancing` is the other reading, that of the authors' laboratory: balance with scale 1, then multiply every
    threshold by `scale` and leave what spikes deliver. It compounds: after n layers the rates are scale^-n times too
    high, except where neurons saturate and for the share of the biases.

    Smaller thresholds give higher rates, so the network is faster but sends more spikes. A current above the threshold
    stays in the potential and is sent in later steps with less current.

    Args:
        network: the network to convert.
        calibration: images from the training set; they are simulated for `steps` steps.
        steps: time steps.
        scale: the threshold as a fraction of the largest input current.
        after_balancing: scale the thresholds of a balanced network, so that the factor compounds.
        poisson: random input spikes instead of a constant current; pixels in [0, 1] are their probabilities.
    """
    schedule = Steady(steps)
    neuron, coding = IntegrateFire(Subtract()), Bernoulli() if poisson else ConstantCurrent()
    within = 1.0 if after_balancing else scale
    sites = balanced(network, calibration, steps=steps, scale=within, neuron=neuron, coding=coding)
    if after_balancing:
        sites = {name: replace(site, threshold=scale * site.threshold) for name, site in sites.items()}
    return Plan(sites=sites, schedule=schedule, coding=coding)
