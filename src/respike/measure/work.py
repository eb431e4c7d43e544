"""`Work`: the spikes, operations and energy of an image, on average over the images of a tally."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from respike.cost import EnergyModel, analog_macs, macs
from respike.errors import InvalidNetwork
from respike.ir import Network
from respike.measure.tally import Tally
from respike.record import INPUT, OUTPUT
from respike.spiking import SpikingNetwork


@dataclass(frozen=True, eq=False)
class Work:
    """What an image costs.

    Args:
        neurons: those that spike.
        spikes: of all populations in each step.
        spikes_per_layer: of each population, in the network's order.
        operations: every spike times its real fan-out, in each step.
        macs: multiply-accumulates of the network itself.
        input_macs: multiply-accumulates of an analog input.
        analog_macs: multiply-accumulates of what the plan lets stay analog, in all steps.
        energy: the energy model.
    """

    neurons: int
    spikes: Tensor
    spikes_per_layer: Mapping[str, float]
    operations: Tensor
    macs: int
    input_macs: float
    analog_macs: float
    energy: EnergyModel

    @property
    def spikes_per_neuron(self) -> float:
        """Spikes of a neuron in all steps, on average."""
        return float(self.spikes.sum()) / self.neurons if self.neurons else 0.0

    @property
    def synaptic_operations(self) -> float:
        """Operations of all steps."""
        return float(self.operations.sum())

    def energy_ratio(self, operations: float, share: float = 1.0) -> float:
        """The energy with so many synaptic operations over the network's.

        Args:
            operations: additions.
            share: of the steps that have been run: what stays analog is computed in each of them.
        """
        return self.energy(self.input_macs + share * self.analog_macs, operations) / self.energy(self.macs, 0)


def check_computes(network: Network) -> None:
    """Raises `InvalidNetwork` where a network computes nothing that energies could be compared by."""
    if not sum(macs(network).values()):
        raise InvalidNetwork(
            f"{network.origin or 'the network'} has no layers with weights, so there is nothing to convert or compare"
        )


def worked(spiking: SpikingNetwork, tally: Tally, fan_out: Mapping[str, Tensor], energy: EnergyModel) -> Work:
    """The work behind a tally's spikes and operations."""
    network, plan, images = spiking.network, spiking.plan, tally.images
    totals = tally.per_population("spikes")
    # In the network's order, whoever counted them.
    layers = {node.name: totals[node.name] for node in network.nodes if node.name in totals.keys() - {INPUT, OUTPUT}}
    # The same neurons stand for several activations in an unrolled recurrent network.
    spiking_nodes = [node for node in network.activations if node.name not in plan.analog]
    return Work(
        neurons=sum({node.population or node.name: network.neurons(node.name) for node in spiking_nodes}.values()),
        spikes=_sum_per_step(layers.values()) / images,
        spikes_per_layer={name: float(sums.sum()) / images for name, sums in layers.items()},
        operations=_sum_per_step(tally.per_population("operations").values()) / images,
        macs=sum(macs(network).values()),
        input_macs=0.0 if plan.coding.spiking else float(fan_out[INPUT].sum()),
        analog_macs=analog_macs(network, plan, fan_out),
        energy=energy,
    )


def _sum_per_step(parts: Iterable[Tensor]) -> Tensor:
    """The sum of sequences, the shorter ones filled up with zeros (populations whose neurons have fewer steps)."""
    return pad_sequence([torch.zeros(1, dtype=torch.float64), *parts]).sum(1)
