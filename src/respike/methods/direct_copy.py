"""The baseline: the weights as they are."""

from __future__ import annotations

from respike.bounds import Positive, StepCount
from respike.citations import DIEHL_2015, DIEHL_REPLICATION, FIT
from respike.ir import Network
from respike.methods.method import published
from respike.methods.remedy import Remedy
from respike.methods.search import RESET, Real, Steps
from respike.neurons import IntegrateFire, Reset, Subtract
from respike.plan import Plan, Site
from respike.schedule import Steady


def _saturating(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    return (
        Remedy(method="max_norm", note="which scales each layer by its largest activation"),
        Remedy(method="fit", note="which sends later what saturation held back"),
    )


def _wasting(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    return Remedy({"threshold": _rounded(plan, reach)}), Remedy(method="max_norm")


def _weighted(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    threshold = _rounded(plan, 1.0)
    other = Remedy({"threshold": threshold}, "fit", note="whose spikes deliver the threshold")
    return Remedy({"threshold": 1.0}), other


def _rounded(plan: Plan, factor: float) -> float:
    return float(f"{float(str(plan.options['threshold'])) * factor:.2g}")


@published(
    DIEHL_2015,
    DIEHL_REPLICATION,
    FIT,
    search={"steps": Steps(), "threshold": Real(0.25, 8.0, log=True), "reset": RESET},
    remedies={"saturation": _saturating, "wasted_range": _wasting, "spike_value": _weighted},
)
def direct_copy(
    network: Network, *, steps: StepCount = 64, threshold: Positive = 1.0, reset: Reset = Subtract()
) -> Plan:
    """Copies the weights, and uses one threshold for all neurons; every spike delivers 1.

    *Paper*: the baseline of the replication's Table 2 (thresholds 1, 4 and 20, hard reset) and of FIT's Figure 3 (both
    resets). With a threshold of 1, activations above 1 saturate. Any other threshold divides the rates by itself in
    every layer. A network without biases still makes the same decisions, but the decoded outputs lose their scale.

    Args:
        network: the network to convert.
        steps: time steps.
        threshold: the threshold of every neuron.
        reset: what a neuron does after a spike; the replication uses the hard reset, FIT compares both.
    """
    site = Site(threshold, spike_value=1.0, neuron=IntegrateFire(reset))
    return Plan(sites={node.name: site for node in network.activations}, schedule=Steady(steps))
