"""The papers' operation counts, by hand and against the exact ones."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from papers.published import ecc_macs, ecc_mops, ecc_synaptic_operations, fs_spikes, fs_spikes_per_neuron

from networks import Builder, images, networks, perceptrons
from respike import SpikingNetwork, measure, methods
from respike.cost import fan_outs
from respike.ir import Activation, Conv, Linear, Network, ReLU, Reshape
from respike.record import INPUT


def test_a_network_counted_by_hand() -> None:
    """A 2-channel 6 x 6 image, 3 x 3 convolution to 3 channels without padding (4 x 4), 48 neurons to 5 outputs."""
    network = _by_hand()
    assert ecc_macs(network) == {"conv": (2 * 18 + 1) * 48, "fc": (2 * 48 + 1) * 5}
    spikes = {INPUT: 36.0, "relu": 96.0}  # half a spike per pixel, two per neuron
    synapses = 48 * 18  # every output of a convolution without padding has all its inputs
    assert ecc_synaptic_operations(network, spikes) == {INPUT: 0.5 * synapses, "relu": 2 * 48 * 5}
    assert ecc_mops(network, spikes) == pytest.approx((0.5 * 3 * 2 * 9 + 2 * 5 * 48) / 1e6)
    assert fs_spikes(spikes) == 96
    assert fs_spikes_per_neuron(network, spikes) == 2


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks())
def test_where_all_neurons_spike_alike_eq_14_is_the_exact_count(network: Network) -> None:
    spikes = {node.name: 3.0 * network.neurons(node.name) for node in network.activations}
    exact = {name: 3 * float(counts.sum()) for name, counts in fan_outs(network).items() if name != INPUT}
    assert ecc_synaptic_operations(network, spikes) == pytest.approx(exact)


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=perceptrons())
def test_without_borders_eq_14_is_what_measure_counts(network: Network) -> None:
    plan = methods.direct_copy(network, steps=9)
    report = measure(SpikingNetwork(network, plan), (images(network, 6), torch.zeros(6, dtype=torch.int64)))
    operations = ecc_synaptic_operations(network, report.spikes_per_layer)
    assert sum(operations.values()) == pytest.approx(report.synaptic_operations)
    assert fs_spikes_per_neuron(network, report.spikes_per_layer) == pytest.approx(report.spikes_per_neuron)
    mops = ecc_mops(network, report.spikes_per_layer)  # dense layers have no spatial multiplicity either
    assert mops * 1e6 == pytest.approx(report.synaptic_operations)


def test_mops_count_the_weights_of_all_layers_that_a_population_feeds_and_no_further() -> None:
    builder = Builder((2, 6, 5), 0)
    builder.conv(3)
    first = builder.relu()
    builder.block("residual")
    network = builder.network()
    last = network.activations[-1].name
    assert ecc_mops(network, {first: network.neurons(first)}) * 1e6 == pytest.approx(3 * 3 * 9)
    assert ecc_mops(network, {last: network.neurons(last)}) * 1e6 == pytest.approx(4 * 4 * 3)


def _by_hand() -> Network:
    builder = Builder((2, 6, 6), 0)
    weight = torch.ones(3, 2, 3, 3, dtype=torch.float64)
    builder.put(Conv("conv", ("x",), weight, None, (1, 1), (0, 0), (1, 1)))
    builder.put(Activation("relu", ("conv",), ReLU()))
    builder.put(Reshape("flat", ("relu",), (48,)))
    builder.put(Linear("fc", ("flat",), torch.ones(5, 48, dtype=torch.float64)))
    return Network(tuple(builder.nodes), ("fc",))
