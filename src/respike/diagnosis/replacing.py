"""Hybrids: a network whose first layers are spiking, and whose others are as they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.ir import Network, apply_function, evaluate, walk
from respike.plan import Plan, Site


@dataclass(frozen=True)
class Population:
    """The nodes at which the same neurons stand: one, or all time steps of a recurrent layer."""

    name: str
    nodes: tuple[str, ...]


def populations(network: Network, plan: Plan) -> tuple[Population, ...]:
    """The populations of a plan, in the order in which the network comes to them."""
    nodes: dict[str, list[str]] = {}
    for node in network.activations:
        if node.name in plan.sites:
            nodes.setdefault(node.population or node.name, []).append(node.name)
    return tuple(Population(name, tuple(members)) for name, members in nodes.items())


def unit(plan: Plan, site: Site, like: Tensor) -> Tensor:
    """What one spike is, decoded (the smallest, where they differ); broadcasts against `like`."""
    value = site.like(like).spike_value
    if site.neuron.window is not None:
        return value * min(abs(worth) for worth in site.neuron.worth if worth)
    return value / plan.decoding


def maximum(plan: Plan, site: Site, like: Tensor) -> Tensor:
    """The largest value that a neuron can send; of a fitted one, the function at the end of the fit's range."""
    value, neuron = site.like(like).spike_value, site.neuron
    if neuron.domain is not None:
        high = torch.as_tensor(neuron.domain[1], dtype=like.dtype, device=like.device)
        return value * apply_function(neuron.computes, high)
    steps = 1.0 if neuron.window is not None else plan.schedule.steps / plan.decoding
    return value * neuron.largest * steps


def hybrid(network: Network, images: Tensor, replaced: Mapping[str, Tensor], keep: Iterable[str]) -> dict[str, Tensor]:
    """The values of the nodes `keep`, where some activations are `replaced` by values of their own.

    Only what these values depend on is computed, and a value is let go when nobody reads it any more.
    """
    wanted = set(keep)
    needed = set(wanted)
    for node in reversed(network.nodes):
        if node.name in needed and node.name not in replaced:
            needed.update(node.inputs)
    given = {**network.check_inputs((images,)), **replaced}
    nodes = [node for node in network.nodes if node.name in needed]
    return {node.name: value for node, value in walk(nodes, evaluate, given) if node.name in wanted}
