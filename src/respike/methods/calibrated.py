"""Our own best: the refinements that lose least in few steps, put together for what may be sent."""

from __future__ import annotations

from respike import refine
from respike.bounds import Count, StepCount
from respike.calibrate import Calibration
from respike.citations import BU_2022, BU_2025, LI_2021
from respike.cost import depth
from respike.errors import InvalidOption
from respike.ir import Network
from respike.methods.method import published
from respike.methods.search import SWITCH, Steps, Whole
from respike.neurons import Burst, IntegrateFire, Neuron, SignedIntegrateFire
from respike.plan import Plan, Site
from respike.schedule import Steady


@published(LI_2021, BU_2022, BU_2025, search={"steps": Steps(), "signed": SWITCH, "most": Whole(1, 8)})
def calibrated(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 24,
    signed: bool = False,
    most: Count = 1,
    images: Count = 128,
    each_step: bool = True,
) -> Plan:
    """Combines the refinements that lose least in few steps. Use it when no paper is to be reproduced.

    *Paper*: none; the parts are published, the composition is ours.
    *As built*: thresholds with the least squared error for each channel; neurons that start at half a threshold
    (Bu et al. 2022). Then layer by layer, on the spikes that the layers before really send: mean inputs are corrected
    (Li et al. 2021), thresholds and potentials chosen again, and the value of a spike fitted. Where neurons send
    single spikes, the readout starts late (Bu et al. 2025): after half a step for each layer on the longest path, but
    after half of all steps at the latest. Mean inputs are corrected in each step then, and neurons withhold part of
    their initial potential at first. Each part is a function of `respike.refine`.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps; 24 for single spikes, 12 for signed ones.
        signed: neurons also send spikes of -1, which take back what they sent too early.
        most: the largest number of spikes of one neuron in one step (bursts).
        images: how many of the calibration images are simulated, at most.
        each_step: correct mean inputs of neurons that send single spikes in each step, and let them wait, by currents
            that change in the first steps. Off: mean inputs over all steps alone, by constant ones.
    """
    start = Site(1.0, neuron=_neuron(signed, most))
    plan = Plan(sites={node.name: start for node in network.activations}, schedule=Steady(steps))
    plan = refine.initial_potential(plan)
    plan = refine.least_squares(plan, network, calibration)
    if signed or most > 1:
        return refine.fit_thresholds(plan, network, calibration, images=images)
    plan = refine.read_late(plan, after=min(steps, depth(network)) // 2)
    return refine.fit_thresholds(plan, network, calibration, images=images, each_step=each_step)


def _neuron(signed: bool, most: int) -> Neuron:
    if signed and most > 1:
        raise InvalidOption(f"signed neurons send one spike a step: signed=True goes with most=1, not most={most}")
    if signed:
        return SignedIntegrateFire()
    return IntegrateFire() if most == 1 else Burst(most)
