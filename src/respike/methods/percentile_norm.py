"""Rueckauer 2017: normalisation by a percentile, which outliers cannot slow down."""

from __future__ import annotations

from respike.bounds import Percentile, StepCount
from respike.calibrate import Calibration, observe, sites
from respike.citations import RUECKAUER_2017
from respike.ir import Network
from respike.methods.method import published
from respike.methods.remedy import Remedy
from respike.methods.search import RESET, SWITCH, Real, Steps
from respike.neurons import IntegrateFire, Reset, Subtract
from respike.plan import Plan, Quantity
from respike.schedule import Steady


def _saturating(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    given = float(str(plan.options["percentile"]))
    raised = next((percentile for percentile in (99.9, 99.99) if percentile > given), 100.0)
    return Remedy({"percentile": raised}), Remedy(method="max_norm")


@published(
    RUECKAUER_2017,
    search={"steps": Steps(), "per_channel": SWITCH, "reset": RESET, "percentile": Real(99.0, 100.0)},
    remedies={"saturation": _saturating},
)
def percentile_norm(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 64,
    percentile: Percentile = 99.9,
    nonzero_only: bool = True,
    per_channel: bool = False,
    reset: Reset = Subtract(),
) -> Plan:
    """Uses a high percentile of each layer's activations as its threshold; the few above it saturate.

    *Paper*: `W_l ← W_l · lambda_{l-1} / lambda_l`, `b_l ← b_l / lambda_l` with lambda the 99.9th percentile, reset by
    subtraction. *As built*: thresholds `theta_l = lambda_l` in activation units, unchanged biases. The paper does
    not say whether activations of zero count; its program leaves them out, and so does the default.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        percentile: the percentile.
        nonzero_only: leave activations of zero out.
        per_channel: one threshold for each channel instead of one for the layer.
        reset: what a neuron does after a spike.
    """
    scales: dict[str, Quantity] = {}
    for name, seen in observe(network, calibration, per_channel=per_channel).items():
        scale = seen.percentile(percentile, nonzero_only=nonzero_only)
        scales[name] = scale if per_channel else float(scale)
    return Plan(sites=sites(network, scales, neuron=IntegrateFire(reset)), schedule=Steady(steps))
