"""Mean inputs corrected in each step, with all layers under way at once."""

from __future__ import annotations

from dataclasses import replace

import torch

from respike.bounds import Count
from respike.calibrate import Calibration, first_images
from respike.citations import LI_2021
from respike.errors import InvalidPlan
from respike.ir import Network
from respike.plan import Plan
from respike.refine.refinement import refinement
from respike.refine.settling import Settling
from respike.schedule import Layerwise


@refinement(LI_2021)
@torch.no_grad()
def settle(plan: Plan, network: Network, calibration: Calibration, *, images: Count = 64) -> Plan:
    """Gives each channel in every step the current that its mean input lacks; the input may come in the first steps.

        b_c(t) = n(t) · mean(z_c) − Σ_{s ≤ t} mean(ẑ_c(s)) − Σ_{s < t} b_c(s)

    with z the input of the activation in the network, n(t) the steps with input up to step t, and ẑ(s) the current of
    step s in the spiking network, in which all layers are corrected already. Extra currents and transients that the
    plan had are gone. `correct_biases` with `each_step` does the same for a steady input, and layer by layer; here
    networks may drain behind their input (`InputThenDrain`), and corrections of all layers in one step come before
    those of the next. The correction is Li et al.'s; that it is made in each step is our own.
    Costs a simulation of the images by the definition of the neurons.

    Args:
        plan: the plan to refine, for the number of steps that it will run.
        network: the network that it is for.
        calibration: images from the training set.
        images: how many of them are used, at most; all at once.
    """
    if isinstance(plan.schedule, Layerwise):
        raise InvalidPlan(
            "settle needs a plan of several steps, and this one takes its input at once: use correct_biases"
        )
    sites = {name: replace(site, extra_current=0.0, transient=None) for name, site in plan.sites.items()}
    (given,) = network.check_inputs((first_images(network, calibration, images),)).values()
    walk = Settling(network, replace(plan, sites=sites), given)
    walk.run(longest=1)
    settled = {name: replace(site, transient=torch.stack(walk.rows[name])) for name, site in sites.items()}
    return replace(plan, sites=settled)
