"""What `mixed_steps` chooses from: each population with more or fewer steps, their errors and their operations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from respike.calibrate import Calibration, least_squares_units, observe, together
from respike.calibrate.derivatives import derivatives
from respike.cost import fan_outs
from respike.engines.few_spikes import delivered, few_spikes
from respike.ir import Activation, Network
from respike.plan import Plan, Site
from respike.record import Probe
from respike.refine.least_squares import rounding, with_unit
from respike.refine.sites import groups, levels
from respike.schedule import Layerwise

_FEWER, _MORE = 4, 2
"""Steps that a layer may have less and more than before."""
_PROBES = 4
"""Random directions of the outputs that each image is asked for."""
_MEMORY = 2**29
"""Bytes that the values of all nodes may take at one time."""


@dataclass
class Choice:
    """A population, and what is to be known of it with other steps. Keys are how many steps more it would have.

    Args:
        nodes: the activations that the population stands for.
        sites: those of each node.
        errors: the squared error of the outputs.
        operations: additions for one image.
    """

    nodes: list[Activation]
    sites: Mapping[int, Mapping[str, Site]]
    errors: dict[int, float] = field(default_factory=dict)
    operations: dict[int, float] = field(default_factory=dict)


def allotted(layers: list[Choice], most: float) -> list[int]:
    """For each layer how many steps more it gets: the fewest operations of all Lagrangians with an error in bounds.

    Args:
        layers: with errors and operations.
        most: the largest sum of errors; where no Lagrangian keeps to it, the one with the smallest.
    """

    def choose(price: float) -> list[int]:
        return [
            min(layer.errors, key=lambda more: layer.errors[more] + price * layer.operations[more]) for layer in layers
        ]

    def within(price: float) -> bool:
        return sum(layer.errors[more] for layer, more in zip(layers, choose(price), strict=True)) <= most

    operations = sum(max(layer.operations.values()) for layer in layers)
    high = sum(max(layer.errors.values()) for layer in layers) / max(operations, 1.0) * 2.0**20
    low = high * 2.0**-60
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if within(middle) else (low, middle)
    return choose(low)


def choices(plan: Plan, network: Network, calibration: Calibration) -> Iterator[Choice]:
    """The populations whose steps can change, each with its sites.

    Args:
        plan: the plan.
        network: the network that it is for, with the populations that the plan has on edges.
        calibration: images from the training set.
    """
    seen = observe(network, calibration)
    for nodes in groups(network, plan):
        before = plan.sites[nodes[0].name]
        if before.neuron.window is None or before.neuron.domain is not None or before.neuron.finer(0) is None:
            continue
        statistics = together([seen[node.name] for node in nodes])
        offset = rounding(before)
        own = least_squares_units(statistics, levels(plan, before), offset)
        sites = {}
        for more in range(max(1 - before.neuron.window, -_FEWER), _MORE + 1):
            neuron = before.neuron.finer(more)
            if neuron is not None:
                site = replace(before, neuron=neuron)
                # The units of channels change as that of the layer does.
                ratio = float(least_squares_units(statistics, levels(plan, site), offset) / own) if bool(own) else 1.0
                sites[more] = {node.name: with_unit(plan, site, node, before.threshold * ratio) for node in nodes}
        yield Choice(nodes, sites)


def see_errors(layers: list[Choice], network: Network, images: Tensor) -> None:
    """Fills in the squared errors of the outputs, of each layer with each number of steps, for one image.

    Args:
        layers: the choices.
        network: the network.
        images: some images of the calibration set.
    """
    names = [node.name for layer in layers for node in layer.nodes]
    size = sum(network.neurons(node.name) for node in network.nodes) * network.dtype.itemsize
    draw = torch.Generator().manual_seed(0)
    for part in torch.split(images, max(1, _MEMORY // size)):
        seen = derivatives(network, names, part, draw, _PROBES)
        for layer in layers:
            for more, sites in layer.sites.items():
                moved = torch.zeros(_PROBES, len(part), dtype=torch.float64)
                for node in layer.nodes:
                    wrong = delivered(sites[node.name], seen.currents[node.name]) - seen.values[node.name]
                    for probe, derivative in enumerate(seen.derivatives[node.name]):
                        moved[probe] += (derivative * wrong).flatten(1).sum(1).double().cpu()
                squared = float(moved.square().sum()) / (_PROBES * len(images))
                layer.errors[more] = layer.errors.get(more, 0.0) + squared


def see_operations(layers: list[Choice], plan: Plan, network: Network, images: Tensor) -> None:
    """Fills in the operations of each layer with each number of steps, for one image: one run for each number.

    Args:
        layers: the choices.
        plan: the plan that they are from.
        network: the network that it is for.
        images: some images of the calibration set.
    """
    targets = fan_outs(network, plan)
    for more in sorted({more for layer in layers for more in layer.sites}):
        changed = {name: site for layer in layers for name, site in layer.sites.get(more, {}).items()}
        sites = {**plan.sites, **changed}
        window = max(site.neuron.window or 0 for site in sites.values())
        tried = replace(plan, sites=sites, schedule=Layerwise(window))
        spent = few_spikes(network, tried, images, Probe(spike_counts=False, fan_out=targets)).operations_per_step
        for layer in layers:
            if more in layer.sites:
                layer.operations[more] = sum(float(spent[node.name].sum()) for node in layer.nodes) / len(images)
