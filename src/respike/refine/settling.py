"""All layers of a network under way at once, step by step, with mean inputs that are kept to the network's."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.calibrate import channel_axis
from respike.engines.walk import TensorWalk
from respike.ir import Network, channelwise
from respike.neurons import State
from respike.plan import Plan, Site
from respike.refine.correct_biases import channel_means
from respike.schedule import Phase


class Settling(TensorWalk):
    """A walk of single steps that gives channels what their mean inputs lack, and notes it.

    Args:
        network: the network.
        plan: a plan that runs in time, whose sites have no currents of their own.
        images: a batch.
    """

    def __init__(self, network: Network, plan: Plan, images: Tensor) -> None:
        super().__init__(network, plan, images)
        source = {node.name: node.inputs[0] for node in network.activations}
        values = network.values((images,), keep=tuple(source.values()))
        self.axes = {name: channel_axis(network, name) for name in source}
        self.wanted = {name: channel_means(values[before], self.axes[name]) for name, before in source.items()}
        self.rows: dict[str, list[Tensor]] = {name: [] for name in plan.sites}
        self.received: dict[str, Tensor] = {}
        self.states: dict[str, State] = {}

    def population(self, name: str, site: Site, current: Tensor, phase: Phase, steps: int) -> Tensor:
        """One step of a population whose mean inputs are the network's."""
        now, numbers = current[0], site.like(current[0])
        inputs = self.plan.decoding_after(self.done + 1)
        found = channel_means(now, self.axes[name])
        lacking = inputs * self.wanted[name] - self.received.get(name, torch.zeros(())) - found
        self.received[name] = inputs * self.wanted[name]
        self.rows[name].append(lacking)
        state = self.states.get(name) or site.neuron.start(numbers.initial_potential.expand_as(now))
        self.states[name], amplitudes = site.neuron.step(state, now + channelwise(lacking, now.ndim), numbers.threshold)
        return (amplitudes * numbers.spike_value).unsqueeze(0)

    def read_out(self, delivered: Tensor, phase: Phase, steps: int) -> None:
        """Nothing is read."""
