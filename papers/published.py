"""Costs as the papers print them, to compare with their figures. respike's own counts are `macs` and `fan_outs`.

Spikes are given per population and image, as `Report.spikes_per_layer` has them; add the input's under `INPUT` where
the coding spikes and the paper counts them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from respike.cost.fan_out import fan_out
from respike.cost.operations import macs
from respike.ir import Activation, Conv, Linear, Network
from respike.record import INPUT


def ecc_macs(network: Network) -> dict[str, int]:
    """ECC Eq. 13, per weighted layer: `(2 f_in + 1) · M`, for M neurons of `f_in` inputs each.

    Counts a multiplication and an addition for each input and one addition for the bias, whether there is one or not:
    a little more than twice `macs`, which counts a multiply-accumulate as one.
    """
    return {name: 2 * count + network.neurons(name) for name, count in macs(network).items()}


def ecc_synaptic_operations(network: Network, spikes: Mapping[str, float]) -> dict[str, float]:
    """ECC Eq. 14, per population: `f_out · s`, with s the mean spikes per neuron of all steps.

    *As printed*, `f_out` is "the number of output connections" and the sum runs over layers. *As built*, it is the
    number of connections of the whole layer: per neuron, the number of neurons would be missing.
    Leaves out, compared with the exact count (`Report.synaptic_operations`), that neurons at borders, which have
    fewer connections, spike differently from the others. For layers without borders both agree.
    """
    return {
        name: float(fan_out(network, _node(network, name)).sum()) * _per_neuron(network, name, number)
        for name, number in spikes.items()
    }


def ecc_mops(network: Network, spikes: Mapping[str, float]) -> float:
    """What ECC's published tool (SpKeras) prints as MOps: `s` times the number of weights of the next layer, by 10⁶.

    `s` is the mean spikes per neuron. Leaves out spatial multiplicity: a convolution's weight counts once, however many
    positions it is applied at, so these are not synaptic operations and do not compare between architectures. Where a
    population feeds several weighted layers, the weights of all count.
    """
    operations = (
        _per_neuron(network, name, number) * sum(node.weight.numel() for node in _next_layers(network, name))
        for name, number in spikes.items()
    )
    return math.fsum(operations) / 1e6


def fs_spikes(spikes: Mapping[str, float]) -> float:
    """FS conversion's "# spikes" (Tables 1 and 2): all spikes of all neurons for one image, `Σ z`.

    Every spike counts as one, whatever it delivers and however many synapses it crosses; the input, which is analog
    there, and the output do not count.
    """
    return math.fsum(number for name, number in spikes.items() if name != INPUT)


def fs_spikes_per_neuron(network: Network, spikes: Mapping[str, float]) -> float:
    """FS conversion's spikes per neuron: `Σ z / neurons` for one image, over the populations that are given.

    The same number as `Report.spikes_per_neuron`. Synapses are left out.
    """
    return fs_spikes(spikes) / sum(network.neurons(name) for name in spikes if name != INPUT)


def _node(network: Network, name: str) -> str:
    return network.inputs[0].name if name == INPUT else name


def _per_neuron(network: Network, name: str, spikes: float) -> float:
    return spikes / network.neurons(_node(network, name))


def _next_layers(network: Network, name: str) -> Iterator[Conv | Linear]:
    """The first weighted layers that the spikes of a population reach."""
    reached = {_node(network, name)}
    for node in network.nodes:
        if reached.isdisjoint(node.inputs):
            continue
        match node:
            case Conv() | Linear():
                yield node
            case Activation():
                pass
            case _:
                reached.add(node.name)
