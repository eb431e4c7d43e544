"""FS conversion (Stöckl and Maass): each activation in K steps of one neuron, whose spikes halve in weight."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from respike.calibrate import (
    ActivationStatistics,
    Calibration,
    image_batches,
    largest_units,
    least_squares_units,
    observe,
)
from respike.errors import InvalidOption
from respike.ir import Activation, Network, ceiling, evaluate
from respike.methods.citations import FEW_SPIKES
from respike.methods.method import published
from respike.methods.scales import site
from respike.neurons import FewSpikes, LayerwiseNeuron, fire_few
from respike.plan import Plan, Quantity, Site
from respike.schedule import Layerwise

_MEMORY = 2**29
"""Bytes that the images of the bias correction may take."""


@published(FEW_SPIKES)
def few_spikes(
    network: Network,
    calibration: Calibration,
    *,
    steps: int = 8,
    alpha: float | None = None,
    least_squares: bool = True,
    per_channel: bool = True,
    half_unit: bool = True,
    correct_bias: bool = True,
) -> Plan:
    """Few-spikes neurons: K bits an activation, about one spike a neuron.

    A neuron delivers `u · clip(floor(x / u), 0, 2^K - 1)` with the unit `u = alpha · 2^-K`.

    *Paper*: one global alpha = 25, K = 10; Eq. 1 to 3. Its program fires at `v > T`; see `neurons.FewSpikes`.
    *As built*: with `alpha=25, half_unit=False, correct_bias=False` the paper's. By default units come from
    calibration, for every channel; an initial potential of half a unit rounds to the nearest in place of down; and what
    quantisation still changes in the mean input of each channel is given back as an extra current, layer by layer.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: K, the steps of each layer.
        alpha: one global range of all layers, as in the paper; from calibration unless given.
        least_squares: units with the least squared error; off, the largest activation is the largest value.
        per_channel: one unit for each channel in place of one for the layer.
        half_unit: start at half a unit, which rounds to the nearest.
        correct_bias: give back each channel's mean error.
    """
    neuron = FewSpikes(steps)
    if alpha is not None and not alpha > 0:
        raise InvalidOption(f"alpha must be positive, got {alpha:g}")
    offset = 0.5 if half_unit else 0.0
    sites = {}
    if alpha is None:
        seen = observe(network, calibration, per_channel=per_channel)
    for node in network.activations:
        unit = alpha * 2.0**-steps if alpha is not None else _unit(seen[node.name], steps, offset, least_squares)
        scaled = site(node.name, unit, ceiling(node.function) / neuron.largest, neuron=neuron)
        sites[node.name] = replace(scaled, initial_potential=scaled.threshold * offset)
    if correct_bias:
        sites = _corrected(network, sites, neuron, _images(network, calibration))
    return Plan(sites=sites, schedule=Layerwise(steps))


def _unit(seen: ActivationStatistics, steps: int, offset: float, least_squares: bool) -> Quantity:
    units = least_squares_units(seen, steps, offset) if least_squares else largest_units(seen, steps)
    return units if len(units) > 1 else float(units)


def _images(network: Network, calibration: Calibration) -> Tensor:
    """The first images of the calibration set, as many as fit into memory with all that is alive at one time."""
    largest = max(network.neurons(node.name) for node in network.nodes)
    limit = max(16, _MEMORY // (8 * largest * network.dtype.itemsize))
    batches, images = [], 0
    for batch in image_batches(network, calibration):
        batches.append(batch[: limit - images])
        images += len(batches[-1])
        if images >= limit:
            break
    return torch.cat(batches)


@torch.no_grad()
def _corrected(network: Network, sites: dict[str, Site], neuron: FewSpikes, images: Tensor) -> dict[str, Site]:
    """Sites whose extra currents make the mean input of each channel what it is in the network.

    Goes through the network once, with the values of the network and those of the spiking network so far side by side.
    """
    exact, coded = network.check_inputs((images,)), network.check_inputs((images,))
    last_reader = {name: node.name for node in network.nodes for name in node.inputs}
    corrected = {}
    for node in network.nodes:
        if not node.inputs:
            continue
        wanted, found = [exact[name] for name in node.inputs], [coded[name] for name in node.inputs]
        exact[node.name] = evaluate(node, wanted)
        if isinstance(node, Activation):
            lost = _channel_means(wanted[0]) - _channel_means(found[0])
            corrected[node.name] = replace(sites[node.name], extra_current=lost)
            coded[node.name] = _delivered(corrected[node.name], neuron, found[0])
        else:
            coded[node.name] = evaluate(node, found)
        for name in node.inputs:
            if last_reader[name] == node.name:
                exact.pop(name, None)
                coded.pop(name, None)
    return corrected


def _channel_means(values: Tensor) -> Tensor:
    return values.transpose(0, 1).flatten(1).mean(1)


def _delivered(site: Site, neuron: LayerwiseNeuron, current: Tensor) -> Tensor:
    numbers = site.like(current)
    potential = current + numbers.initial_potential + numbers.extra_current
    _, _, delivered = fire_few(neuron, potential, numbers.threshold)
    return delivered * numbers.spike_value
