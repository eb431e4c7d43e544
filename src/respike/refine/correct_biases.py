"""What spiking changes in the mean of each channel is given back."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from respike.bounds import Count
from respike.calibrate import Calibration
from respike.citations import LI_2021
from respike.ir import Network
from respike.plan import Plan, Site
from respike.refine.front_to_back import Layer, front_to_back
from respike.refine.refinement import refinement


@refinement(LI_2021)
def correct_biases(
    plan: Plan, network: Network, calibration: Calibration, *, images: Count = 256, each_step: bool = False
) -> Plan:
    """Corrects the mean input of each channel, layer by layer, so that it is the network's.

        b_c ← b_c + mean(z_c) − mean(ẑ_c)

    with z the input of the activation in the network, and ẑ that in the spiking network, whose layers before are
    already corrected; means are over images, positions and steps. Li et al. compare the outputs of the layers and
    subtract the difference from the bias. Here the inputs are compared, which the added current changes directly.
    Recurrent layers are not corrected, because their neurons must be the same at every time step of the sequence.

    With `each_step` the mean input is the network's in every step, `b_c(t) ← b_c + mean(z_c) − mean(ẑ_c(t))`. In the
    first steps strongly driven neurons have fired and others not yet, so layers behind get too much of one sign, and
    send spikes that they cannot take back. This part is our own; it needs neurons whose bias may change over time
    (`Site.transient`).
    Costs a simulation of the images, or two with `each_step`.

    Args:
        plan: the plan to refine; correct it last, for the number of steps that it will run.
        network: the network that it is for.
        calibration: images from the training set.
        images: how many of them are used, at most.
        each_step: correct the mean input of each step, and not only that over all steps.
    """

    def corrected(layer: Layer) -> Site:
        return layer.site if layer.node.population else with_mean_input(layer, each_step)

    return replace(plan, sites=front_to_back(network, plan, calibration, images, corrected))


def with_mean_input(layer: Layer, each_step: bool = False) -> Site:
    """The site with an extra current that makes the mean input of each channel what it is in the network.

    With `each_step` its transient does so in every step. A transient that it had is gone.
    """
    lost = (channel_means(layer.wanted, layer.axis) - channel_means(layer.found, layer.axis)).cpu()
    site = replace(layer.site, extra_current=layer.site.extra_current + lost, transient=None)
    if not each_step:
        return site
    currents = layer.mean_currents()
    return replace(site, transient=currents.mean(0) - currents if len(currents) > 1 else None)


def channel_means(values: Tensor, axis: int = 0) -> Tensor:
    """The mean over the batch and all positions, as a site has it (`calibrate.for_channels`).

    Args:
        values: `[batch, *shape]`.
        axis: the dimension of the shape in which channels stand.
    """
    return values.movedim(1 + axis, 0).flatten(1).mean(1).reshape((1,) * axis + (-1,))
