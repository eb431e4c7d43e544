"""Thresholds and initial potentials chosen by the spikes that are really sent."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from respike.bounds import Count
from respike.calibrate import Calibration
from respike.citations import LI_2021
from respike.ir import Network, ceiling, channelwise, evaluate
from respike.plan import Plan, Site
from respike.refine.correct_biases import with_mean_input
from respike.refine.fit_values import value_fitted
from respike.refine.front_to_back import Layer, front_to_back
from respike.refine.refinement import refinement

_FIRST = tuple(product((0.8, 1.0, 1.25), (-0.4, -0.2, 0.0)))
"""Factors of the threshold, and what is added to the initial potential, in thresholds: tried first."""
_THEN = ((0.9, 0.0), (1.1, 0.0), (1.0, -0.1), (1.0, 0.1))
"""Tried then, beside the best of the first."""


@refinement(LI_2021)
def fit_thresholds(
    plan: Plan, network: Network, calibration: Calibration, *, images: Count = 128, each_step: bool = False
) -> Plan:
    """Chooses threshold and initial potential of each channel by the spikes that it really sends, layer by layer.

        (θ_c, v_c(0)) = argmin mean (â_c − a_c)²

    with a the activations of the network and â what the neurons send on average in a step. `least_squares` chooses for
    constant inputs; here neurons get the spikes of the layers before, which are refined already. Early spikes that the
    input does not stand for are then worth a larger threshold and a smaller initial potential. Thresholds are tried
    from 0.72 to 1.375 times those of the plan, potentials from half a threshold below to a tenth above. Mean inputs
    are corrected before (Li et al. 2021), and the value of a spike is fitted after, as in `fit_values`. The search
    is our own. Costs fourteen simulations of the images, or fifteen with `each_step`.

    Args:
        plan: the plan to refine, for the number of steps that it will run; `initial_potential` and `least_squares`
            come first.
        network: the network that it is for.
        calibration: images from the training set.
        images: how many of them are used, at most.
        each_step: correct the mean input of each step, as in `correct_biases`.
    """

    def fitted(layer: Layer) -> Site:
        if layer.node.population or layer.site.neuron.domain is not None:
            return layer.site
        site, wanted = with_mean_input(layer, each_step), evaluate(layer.node, [layer.wanted])
        highest = ceiling(layer.node.function) / site.neuron.largest
        threshold = torch.as_tensor(site.threshold, dtype=torch.float64).expand(wanted.shape[1])
        share = torch.as_tensor(site.initial_potential) / threshold
        error, sent = torch.full_like(threshold, torch.inf), wanted
        for near in (_FIRST, _THEN):
            pairs = [((threshold * factor).clamp(max=highest), share + shift) for factor, shift in near]
            for (one, start), found in zip(pairs, layer.tried(*(_at(site, *pair) for pair in pairs)), strict=True):
                off = (found - wanted).transpose(0, 1).flatten(1).double().square().mean(1).cpu()
                better, error = off < error, torch.minimum(off, error)
                threshold, share = torch.where(better, one, threshold), torch.where(better, start, share)
                sent = torch.where(channelwise(better, sent.ndim).to(sent.device), found, sent)
        return value_fitted(layer, _at(site, threshold, share), sent, wanted)

    return replace(plan, sites=front_to_back(network, plan, calibration, images, fitted))


def _at(site: Site, threshold: Tensor, share: Tensor) -> Site:
    """The site with other thresholds, and with shares of them as initial potentials."""
    return replace(site, threshold=threshold, spike_value=threshold, initial_potential=threshold * share)
