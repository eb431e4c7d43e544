"""Unit spikes and unit thresholds: the plan's numbers baked into the weights, as hardware wants it."""

from __future__ import annotations

from respike.ir import Network
from respike.lower.regauge import Gauge, regauge
from respike.plan import Plan, Quantity, SpikeCount
from respike.record import OUTPUT
from respike.typed import NETWORK, PLAN, check_kind


def unit_spikes(network: Network, plan: Plan, *, input_unit: float = 1.0) -> tuple[Network, Plan]:
    """The same conversion, in which every spike delivers 1 and every threshold is 1. Not a spike changes.

    `W' = W · spike_value_before / threshold_behind`; biases, extra currents, initial potentials and reset values are
    divided by the threshold. What no weights can take up (an identity shortcut into a sum) becomes an
    `ElementwiseAffine`, named `source->reader`. The readout stays in the units of the network's outputs: the weights in
    front of it are multiplied only, and a counted output spike keeps its spike value.

    Scales that are powers of two change no bit of any sum. Others round each weight once, in the network's type, which
    may flip a tie between potential and threshold.

    The lowered network computes with its plan. Run as an ordinary network it agrees with the original (up to scale)
    only where each spike value is its population's threshold.

    Args:
        network: the network.
        plan: its plan, with integrate-and-fire neurons.
        input_unit: the lowered network takes `images / input_unit`; what an input spike delivers, where the coding
            spikes.

    Raises:
        InvalidPlan: for a plan that does not fit, or has no units: naming the layer.
    """
    check_kind("network", network, Network, NETWORK)
    check_kind("plan", plan, Plan, PLAN)
    plan.check(network)
    network, plan = plan.applied(network)
    return regauge(network, plan, Gauge(thresholds(plan), input_unit))


def thresholds(plan: Plan) -> dict[str, Quantity]:
    """Each population's threshold; under `OUTPUT` the readout's, which is 1 where outputs do not spike."""
    output = plan.readout.site.threshold if isinstance(plan.readout, SpikeCount) else 1.0
    return {name: site.threshold for name, site in plan.sites.items()} | {OUTPUT: output}
