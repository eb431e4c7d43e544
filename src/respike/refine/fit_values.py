"""What a spike delivers, fitted to the spikes that are really sent."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from respike.bounds import Count
from respike.calibrate import Calibration
from respike.citations import LI_2021
from respike.ir import Network, ceiling, evaluate
from respike.plan import Plan, Site
from respike.refine.correct_biases import with_mean_input
from respike.refine.front_to_back import Layer, front_to_back
from respike.refine.refinement import refinement

_RANGE = (0.7, 1.4)
"""Factors outside say that a channel hardly spikes on these images, and are cut."""


@refinement(LI_2021)
def fit_values(plan: Plan, network: Network, calibration: Calibration, *, images: Count = 256) -> Plan:
    """Fits what a spike of each channel delivers to the activations, layer by layer, by linear regression.

        value_c ← value_c · Σ (â − mean â)(a − mean a) / Σ (â − mean â)²

    with a the activations of the network, and â what the neurons have sent on average in a step, in the same units. In
    few steps part of what a neuron sends is noise: spikes that came too early for the inputs that would have held
    them back. The regression weighs a spike by how much it says about the activation, so that less of this noise
    reaches the next layer. Mean inputs are corrected on the way, as in `correct_biases` (Li et al. 2021). Nothing
    corrects the mean of the outputs: so the regression of the populations that they are read from goes through the
    origin, `Σ â a / Σ â²`. The regression is our own.
    Costs two simulations of the images.

    Args:
        plan: the plan to refine, for the number of steps that it will run; thresholds and potentials come first.
        network: the network that it is for.
        calibration: images from the training set.
        images: how many of them are used, at most.
    """

    def fitted(layer: Layer) -> Site:
        if layer.node.population or layer.site.neuron.domain is not None:
            return layer.site
        site = with_mean_input(layer)
        return value_fitted(layer, site, layer.sent(site), evaluate(layer.node, [layer.wanted]))

    return replace(plan, sites=front_to_back(network, plan, calibration, images, fitted))


def value_fitted(layer: Layer, site: Site, sent: Tensor, activations: Tensor) -> Site:
    """The site whose spikes deliver what a regression of the activations on what it has sent says."""
    slope = _slope(sent, activations, layer.last).clamp(*_RANGE).cpu()
    value = torch.as_tensor(site.value, dtype=torch.float64) * slope
    return replace(site, spike_value=value.clamp(max=ceiling(layer.node.function) / site.neuron.largest))


def _slope(sent: Tensor, activations: Tensor, through_origin: bool) -> Tensor:
    """The slope of the regression of the activations on what was sent, `[channels]`; 1 where nothing was sent."""
    sent, activations = (values.transpose(0, 1).flatten(1).double() for values in (sent, activations))
    if not through_origin:
        sent = sent - sent.mean(1, keepdim=True)
        activations = activations - activations.mean(1, keepdim=True)
    power = sent.square().sum(1)
    return torch.where(power > 0, (sent * activations).sum(1) / power.clamp(min=torch.finfo(power.dtype).tiny), 1.0)
