"""The honest baseline: the network itself, with activations rounded to the levels that its spiking neurons have."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from respike.engines.few_spikes import delivered
from respike.ir import Activation, Identity, Network, Node, ReLU, apply_activation, evaluate, walk
from respike.neurons import LevelSpikes
from respike.neurons.few_spikes import MOST_STEPS
from respike.plan import Plan, Site


@torch.no_grad()
def outputs_and_rounded(network: Network, plan: Plan, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """The outputs of the network, and with activations rounded to what its spiking neurons deliver.

        q(a) = u · clip(floor(a / u + 1/2), 0, L), and from -L where the neurons stand for the identity

    with u and L of each population: for T steps `u = value / T` and the most that they send in T steps; for neurons
    with a window `u = value` and their largest value. Weights and all else stay in floating point. This is a plain
    quantised network of the same bits: what a conversion loses beyond it, it loses by spiking.

    What lies in front of all activations is computed once for both.

    Args:
        network: the network.
        plan: its conversion.
        images: `[batch, *shape]`.

    Returns:
        The first output of both, `[batch, classes]`; None in the place of the second where no population has evenly
        spaced levels (neurons fitted to other functions).
    """
    if all(site.neuron.domain is not None for site in plan.sites.values()):
        return network(images), None
    entry = {name: (given, given) for name, given in network.check_inputs((images,)).items()}

    def rounded(node: Node, inputs: list[Tensor]) -> Tensor | None:
        site = plan.sites.get(node.name)
        if not isinstance(node, Activation) or site is None or site.neuron.domain is not None:
            return None
        unit, levels = _levels(plan, site, inputs[0])
        lowest = -levels if isinstance(site.neuron.computes, Identity) else 0.0
        given = inputs[0] if node.function == ReLU() else apply_activation(node, inputs[0])
        if lowest == 0 and 1 <= levels < 2**MOST_STEPS and float(levels).is_integer():
            return _delivered(unit.squeeze(0), int(levels), given)
        return (given / unit).add_(0.5).floor_().clamp_(lowest, levels).mul_(unit)

    def value(node: Node, inputs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        plain, others = [own for own, _ in inputs], [other for _, other in inputs]
        own, other = evaluate(node, plain), rounded(node, others)
        if other is None:
            alike = all(one is another for one, another in inputs)
            other = own if alike else evaluate(node, others)
        return own, other

    name = network.outputs[0]
    (found,) = (both for node, both in walk(network.nodes, value, entry) if node.name == name)
    return found


def _delivered(unit: Tensor, levels: int, values: Tensor) -> Tensor:
    """What a neuron with so many levels delivers that rounds to the nearest: in one pass, where it was compiled."""
    return delivered(Site(unit, initial_potential=unit / 2, neuron=LevelSpikes(levels)), values)


def _levels(plan: Plan, site: Site, like: Tensor) -> tuple[Tensor, float]:
    """The distance of two values, and how many there are above zero."""
    value, neuron = site.like(like).spike_value, site.neuron
    if neuron.window is not None:
        return value, neuron.largest
    most = math.inf if neuron.most_in_all is None else float(neuron.most_in_all)
    return value / plan.decoding, min(neuron.most_in(plan.schedule.steps), most)
