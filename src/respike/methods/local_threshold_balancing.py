"""Local threshold balancing (Bu et al. 2025)."""

from __future__ import annotations

from respike import refine
from respike.bounds import Count, StepCount, StepCountOrNone
from respike.calibrate import Calibration
from respike.citations import BU_2025
from respike.ir import Network
from respike.methods.method import published
from respike.plan import Plan, Site
from respike.schedule import Steady


@published(BU_2025)
def local_threshold_balancing(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 32,
    updates: Count = 256,
    after: StepCountOrNone = 0,
) -> Plan:
    """Balances the threshold of each channel on calibration images, in small steps; neurons start at half of it.

        θ_c ← θ_c + 2 η · mean(max(a_c − θ_c, 0)) from θ_c = 0,   v(0) = θ / 2,   reset by subtraction

    *Paper*: as above, per channel, over a pass of the training set. *As printed*, outputs count from the first step;
    its program leaves out the first ones, and estimates how many (`after`). *As built*: η = 1, as in the program, and
    as many updates as asked for, of 16 images each.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        updates: how often thresholds are raised.
        after: the steps before the readout starts.
    """
    plan = Plan(sites={node.name: Site(1.0) for node in network.activations}, schedule=Steady(steps))
    plan = refine.initial_potential(plan)
    plan = refine.balance_thresholds(plan, network, calibration, updates=updates)
    return refine.read_late(plan, after=after) if after else plan
