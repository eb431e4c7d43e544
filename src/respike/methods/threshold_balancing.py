"""Sengupta 2019: thresholds balanced on the spikes of the layers before (Spike-Norm)."""

from __future__ import annotations

from respike.bounds import StepCount
from respike.calibrate import Calibration
from respike.citations import SENGUPTA_2019
from respike.coding import Bernoulli, ConstantCurrent
from respike.ir import Network
from respike.methods.balancing import balanced
from respike.methods.method import published
from respike.methods.remedy import Remedy, without
from respike.methods.search import RESET, Steps
from respike.neurons import IntegrateFire, Reset, ToValue
from respike.plan import Plan
from respike.schedule import Steady


def _wasting(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    return Remedy({"scale": 0.8}, "rmp"), Remedy(method="max_norm")


@published(
    SENGUPTA_2019,
    search={"steps": Steps(), "reset": RESET},
    remedies={"wasted_range": _wasting, "noisy_input": without("poisson")},
)
def threshold_balancing(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 128,
    poisson: bool = False,
    reset: Reset = ToValue(0.0),
) -> Plan:
    """Sets each threshold to the largest input current of its layer while the layers before it spike.

    *Paper*: one layer after another, `V_n = max over neurons, steps and images of W_n · z_{n-1}(t)` with unit
    spikes and the weights as they are; random input spikes with the pixel as probability, reset to zero, no biases.
    *As built*: the same thresholds in activation units, the largest `W_n (theta_{n-1} · z_{n-1}(t)) + b_n`, which
    is `V_n · theta_{n-1}` in a chain; residual additions need no shared scale in these units. Biases do not change
    and count as current. The input is a constant current unless `poisson`. Average pooling is part of the next
    affine map, where the paper makes it a layer that spikes.

    No current exceeds its threshold on the calibration images, so nothing saturates; but a momentary current is larger
    than its mean, the activation, so neurons fire less than under `max_norm`.

    Args:
        network: the network to convert.
        calibration: images from the training set; they are simulated for `steps` steps.
        steps: time steps.
        poisson: random input spikes instead of a constant current; pixels in [0, 1] are their probabilities.
        reset: what a neuron does after a spike.
    """
    schedule = Steady(steps)
    neuron, coding = IntegrateFire(reset), Bernoulli() if poisson else ConstantCurrent()
    sites = balanced(network, calibration, steps=steps, scale=1.0, neuron=neuron, coding=coding)
    return Plan(sites=sites, schedule=schedule, coding=coding)
