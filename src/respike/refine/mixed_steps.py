"""Steps for each layer: few where errors hardly reach the outputs or spikes cost much (a Lagrangian over layers)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from respike.bounds import Count, Positive
from respike.calibrate import Calibration, first_images, least_squares_units, observe, together
from respike.citations import SHOHAM_1988
from respike.cost import fan_outs
from respike.engines.few_spikes import delivered, few_spikes
from respike.errors import InvalidPlan
from respike.ir import Activation, Network, Node, evaluate, walk
from respike.plan import Plan, Site
from respike.record import Probe
from respike.refine.correct_biases import correct_biases
from respike.refine.least_squares import rounding, with_unit, with_units
from respike.refine.refinement import refinement
from respike.refine.sites import groups, levels
from respike.schedule import Layerwise

_FEWER, _MORE = 4, 2
"""Steps that a layer may have less and more than before."""
_PROBES = 4
"""Random directions of the outputs that each image is asked for."""
_MEMORY = 2**29
"""Bytes that the values of all nodes may take at one time."""


@refinement(SHOHAM_1988)
def mixed_steps(
    plan: Plan, network: Network, calibration: Calibration, *, error: Positive = 1.0, images: Count = 32
) -> Plan:
    """Gives each few-spikes population steps of its own: the fewest operations at the output error that the plan has.

        K_l = argmin_K  E_l(K) + λ O_l(K),    E_l(K) = mean (vᵀ J_l (q_K(x_l) - x_l))²

    O_l are the operations that the spikes of layer l make with K steps. E_l is the squared error of the outputs that
    its rounding makes, to first order: J_l is the derivative of the outputs by the layer's activations x_l, and v
    random directions, so that a few backward passes serve all layers and all K. λ is the largest one with
    `Σ E_l(K_l) ≤ error² · Σ E_l(K)`, on the right with the steps before. Then units are chosen anew by `least_squares`,
    and mean errors are corrected anew where they were corrected. Fitted neurons keep their steps.

    *Source*: the allocation of bits is Shoham and Gersho's. That errors are weighed by derivatives, and bits by
    operations, is ours here.
    Costs a few passes over the images; the K that is left is the largest that a layer has.

    Args:
        plan: the plan to refine, of few-spikes neurons.
        network: the network that it is for.
        calibration: images from the training set.
        error: the error of the outputs in multiples of the one before, to first order; above 1, fewer spikes.
        images: how many of them steps are chosen on, at most.

    Raises:
        InvalidPlan: no neurons with steps that can be changed.
    """
    before = {name: replace(site, extra_current=0.0) for name, site in plan.sites.items()}
    layers = list(_layers(replace(plan, sites=before), network, calibration))
    if not layers or not isinstance(plan.schedule, Layerwise):
        kinds = ", ".join(dict.fromkeys(site.neuron.describe() for site in plan.sites.values())) or "no neurons"
        raise InvalidPlan(
            f"mixed_steps changes the steps of few-spikes neurons, and this plan has {kinds}: "
            "use a method such as few_spikes, canonic_spikes or every_edge"
        )
    given = first_images(network, calibration, images)
    _see_errors(layers, network, given)
    _see_operations(layers, replace(plan, sites=before), network, given)
    chosen = allotted(layers, error**2 * sum(layer.errors[0] for layer in layers))
    sites = dict(before)
    for layer, more in zip(layers, chosen, strict=True):
        sites |= layer.sites[more]
    window = max(site.neuron.window or 0 for site in sites.values())
    channelled = [name for name, site in plan.sites.items() if torch.as_tensor(site.threshold).numel() > 1]
    refined = with_units(replace(plan, sites=sites, schedule=Layerwise(window)), network, calibration, channelled)
    if any(bool(torch.as_tensor(site.extra_current).any()) for site in plan.sites.values()):
        refined = correct_biases(refined, network, calibration)
    return refined


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


def _layers(plan: Plan, network: Network, calibration: Calibration) -> Iterator[Choice]:
    """The populations whose steps can change, each with its sites."""
    seen = observe(network, calibration) if any(site.neuron.window for site in plan.sites.values()) else {}
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


def _see_errors(layers: list[Choice], network: Network, images: Tensor) -> None:
    """Fills in the squared errors of the outputs, of each layer with each number of steps, for one image."""
    names = [node.name for layer in layers for node in layer.nodes]
    size = sum(network.neurons(node.name) for node in network.nodes) * network.dtype.itemsize
    draw = torch.Generator().manual_seed(0)
    for part in torch.split(images, max(1, _MEMORY // size)):
        currents, values, derivatives = _derivatives(network, names, part, draw)
        for layer in layers:
            for more, sites in layer.sites.items():
                moved = torch.zeros(_PROBES, len(part), dtype=torch.float64)
                for node in layer.nodes:
                    wrong = delivered(sites[node.name], currents[node.name]) - values[node.name]
                    for probe, derivative in enumerate(derivatives[node.name]):
                        moved[probe] += (derivative * wrong).flatten(1).sum(1).double().cpu()
                squared = float(moved.square().sum()) / (_PROBES * len(images))
                layer.errors[more] = layer.errors.get(more, 0.0) + squared


def _derivatives(
    network: Network, names: list[str], images: Tensor, draw: torch.Generator
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, list[Tensor]]]:
    """The inputs and the values of some activations, and for each probe `vᵀ J`, the derivative by the values."""
    currents, values, wanted = dict[str, Tensor](), dict[str, Tensor](), set(names)

    def value(node: Node, inputs: list[Tensor]) -> Tensor:
        found = evaluate(node, inputs)
        if node.name in wanted:
            currents[node.name] = inputs[0].detach()
            values[node.name] = found = found if found.requires_grad else found.requires_grad_()
        return found

    with torch.enable_grad():
        outputs = {
            name: found
            for (node, found) in walk(network.nodes, value, network.check_inputs((images,)))
            if (name := node.name) in network.outputs
        }
        total = [outputs[name] for name in network.outputs]
        probes = []
        for probe in range(_PROBES):
            directions = [torch.randn(out.shape, generator=draw, dtype=out.dtype).to(out.device) for out in total]
            probes.append(
                torch.autograd.grad(
                    total,
                    [values[name] for name in names],
                    directions,
                    retain_graph=probe + 1 < _PROBES,
                    allow_unused=True,
                )
            )
    derivatives = {
        name: [torch.zeros_like(values[name]) if found[number] is None else found[number] for found in probes]
        for number, name in enumerate(names)
    }
    return currents, {name: found.detach() for name, found in values.items()}, derivatives


def _see_operations(layers: list[Choice], plan: Plan, network: Network, images: Tensor) -> None:
    """Fills in the operations of each layer with each number of steps, for one image: one run for each number."""
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
