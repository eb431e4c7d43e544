"""Diehl 2015, Algorithm 1: normalisation from the weights alone."""

from __future__ import annotations

from respike.bounds import Finite, StepCount
from respike.calibrate import activation_bounds, sites
from respike.citations import DIEHL_2015, DIEHL_REPLICATION
from respike.errors import Argument, InvalidOption
from respike.ir import Network
from respike.methods.method import published
from respike.methods.remedy import Remedy
from respike.neurons import IntegrateFire, Reset, ToValue
from respike.plan import Plan
from respike.schedule import Steady


def _wasting(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    return (Remedy(method="max_norm", note="scales from data; the bounds from the weights alone are never reached"),)


@published(DIEHL_2015, DIEHL_REPLICATION, remedies={"wasted_range": _wasting})
def model_norm(
    network: Network,
    *,
    steps: StepCount = 1000,
    input_low: Finite = 0.0,
    input_high: Finite = 1.0,
    reset: Reset = ToValue(0.0),
) -> Plan:
    """Uses the largest activation that the weights allow as the threshold: no data, no saturation, but slow.

    *Paper*: weights of layer l divided by the largest sum of positive input weights of any neuron, threshold 1.
    *As built*: the same numbers as thresholds in activation units, `theta_l = theta_{l-1} · max_i Σ_j max(0, W_ij)`,
    by interval arithmetic, which also covers biases, residual additions and inputs of both signs.

    Args:
        network: the network to convert.
        steps: time steps.
        input_low: smallest input value.
        input_high: largest input value.
        reset: what a neuron does after a spike.

    Raises:
        InvalidOption: input values from high to low.
    """
    if not input_low < input_high:
        raise InvalidOption(
            Argument("input_low"), " must be below ", Argument("input_high"), f", got {input_low:g} and {input_high:g}"
        )
    bounds = activation_bounds(network, (input_low, input_high))
    return Plan(sites=sites(network, bounds, neuron=IntegrateFire(reset)), schedule=Steady(steps))
