"""Thresholds and initial potentials chosen by the spikes that are really sent."""

from __future__ import annotations

from dataclasses import replace

import torch

from respike.bounds import Count
from respike.calibrate import Calibration
from respike.citations import LI_2021
from respike.ir import Network, ceiling, channelwise, evaluate
from respike.plan import Plan, Site
from respike.refine.correct_biases import with_mean_input
from respike.refine.fit_values import value_fitted
from respike.refine.front_to_back import Layer, front_to_back
from respike.refine.neighbours import FIRST, THEN, beside, with_numbers
from respike.refine.refinement import refinement


@refinement(LI_2021)
def fit_thresholds(
    plan: Plan, network: Network, calibration: Calibration, *, images: Count = 128, each_step: bool = False
) -> Plan:
    """Chooses threshold and initial potential of each channel by the spikes that it really sends, layer by layer.

        (θ_c, v_c(0), h_c) = argmin mean (â_c − a_c)²

    with a the activations of the network and â what the neurons send on average in a step. `least_squares` chooses for
    constant inputs; here neurons get the spikes of the layers before, which are refined already. Early spikes that the
    input does not stand for are then worth a larger threshold and a smaller initial potential. Thresholds are tried
    from 0.72 to 1.375 times those of the plan, potentials from half a threshold below to a tenth above. Mean inputs
    are corrected before (Li et al. 2021), and the value of a spike is fitted after, as in `fit_values`.

    With `each_step`, mean inputs are corrected in each step. Where the readout starts late, neurons also withhold a
    part h of their initial potential: the current gives it back in equal parts in the first two thirds of the steps
    that the readout leaves out. Spikes cannot be taken back, so neurons wait for the inputs that may hold them back.
    Those that outputs are read from withhold nothing.

    The search is our own. Costs fourteen simulations of the images, or up to 35 with `each_step`.

    Args:
        plan: the plan to refine, for the number of steps that it will run; `initial_potential`, `least_squares` and
            `read_late` come first.
        network: the network that it is for.
        calibration: images from the training set.
        images: how many of them are used, at most.
        each_step: correct the mean input of each step, as in `correct_biases`, and withhold potential at first.
    """
    waiting = 2 * plan.readout.after // 3 if each_step else 0

    def fitted(layer: Layer) -> Site:
        if layer.node.population or layer.site.neuron.domain is not None:
            return layer.site
        site, wanted = with_mean_input(layer, each_step), evaluate(layer.node, [layer.wanted])
        highest = ceiling(layer.node.function) / site.neuron.largest
        threshold = torch.as_tensor(site.threshold, dtype=torch.float64).expand(wanted.shape[1])
        share = torch.as_tensor(site.initial_potential) / threshold
        best = torch.stack([torch.zeros_like(threshold), threshold, share])
        error, sent = torch.full_like(threshold, torch.inf), wanted
        for near in (FIRST, THEN):
            several = [beside(best, *by, highest) for by in near if by[0] == 0 or (waiting and not layer.last)]
            tried = layer.tried(*(with_numbers(site, waiting, *one) for one in several))
            for one, found in zip(several, tried, strict=True):
                off = (found - wanted).transpose(0, 1).flatten(1).double().square().mean(1).cpu()
                better, error = off < error, torch.minimum(off, error)
                best = torch.where(better, one, best)
                sent = torch.where(channelwise(better, sent.ndim).to(sent.device), found, sent)
        return value_fitted(layer, with_numbers(site, waiting, *best), sent, wanted)

    return replace(plan, sites=front_to_back(network, plan, calibration, images, fitted))
