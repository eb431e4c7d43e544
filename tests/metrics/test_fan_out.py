"""Fan-out: the factorised count equals sending a one through each neuron."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

from networks import Builder, networks, perceptrons
from respike.ir import Activation, Add, Concat, Conv, Input, Network, Pad, Permute, ReLU, Reshape, Slice
from respike.metrics import fan_out, fan_outs, macs, probed_fan_out
from respike.record import INPUT


def assert_exact(network: Network) -> None:
    for source in (network.inputs[0].name, *(node.name for node in network.activations)):
        assert torch.equal(fan_out(network, source), probed_fan_out(network, source)), source


@settings(max_examples=60, derandomize=True, deadline=None)
@given(network=networks())
def test_equals_probing_on_random_networks(network: Network) -> None:
    assert_exact(network)


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=perceptrons())
def test_a_dense_neuron_reaches_every_neuron_of_the_next_layer(network: Network) -> None:
    counts = fan_outs(network)
    widths = [network.neurons(node.name) for node in (*network.activations, network[network.outputs[0]])]
    for name, width in zip((INPUT, *(node.name for node in network.activations)), widths, strict=True):
        assert torch.equal(counts[name], torch.full_like(counts[name], width))


def test_two_paths_to_the_same_neuron_are_one_synapse() -> None:
    """A linear residual without an activation between: relu -> conv -> conv -> (+ relu) -> relu."""
    builder = Builder((2, 5, 6), 0)
    builder.conv(3)
    skip = builder.relu()
    builder.conv(3)
    builder.conv(3)
    builder.put(Add("sum", (builder.last, skip)))
    builder.relu()
    assert_exact(builder.network())


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_slices_pads_permutations_and_concatenations(dim: int) -> None:
    builder = Builder((2, 5, 6), 0)
    builder.conv(4)
    relu = builder.relu()
    left = builder.put(Slice("left", (relu,), dim, 1, 4))
    right = builder.put(Slice("right", (relu,), dim, 0, 4, 2))
    builder.put(Concat("cat", (left, right, relu), dim))
    builder.put(Pad("pad", ("cat",), (1, 2, -1, 0)))
    builder.put(Permute("permute", ("pad",), (0, 1, 3, 2)))
    builder.channels = Network(tuple(builder.nodes), ("permute",)).shapes["permute"][0]
    builder.conv(3)
    builder.relu()
    assert_exact(builder.network())


def test_a_reshape_that_splits_channels_is_probed() -> None:
    """A channel shuffle is not a product of one map per dimension."""
    builder = Builder((2, 3, 3), 0)
    builder.conv(4)
    builder.relu()
    builder.put(Reshape("split", (builder.last,), (2, 2, 3, 3)))
    builder.put(Permute("swap", ("split",), (0, 2, 1, 3, 4)))
    builder.put(Reshape("join", ("swap",), (4, 3, 3)))
    builder.conv(4, groups=2)
    builder.relu()
    assert_exact(builder.network())


def test_one_dimensional_and_dilated_convolutions() -> None:
    weight = torch.ones(3, 2, 3, dtype=torch.float64)
    nodes = (
        Input("x", (), (2, 9)),
        Activation("relu", ("x",), ReLU()),
        Conv("conv", ("relu",), weight, None, (2,), (2,), (3,)),
        Activation("last", ("conv",), ReLU()),
    )
    assert_exact(Network(nodes, ("last",)))


def test_macs_are_synapses_and_padding() -> None:
    """Without padding, multiply-accumulates of the first layer are the fan-outs of the input; with it, more."""
    unpadded = Network(
        (Input("x", (), (2, 6, 6)), Conv("c", ("x",), torch.ones(3, 2, 3, 3), None, (1, 1), (0, 0), (1, 1))), ("c",)
    )
    assert float(fan_out(unpadded, "x").sum()) == macs(unpadded)["c"] == 3 * 4 * 4 * 2 * 9
    padded = Network(
        (Input("x", (), (2, 6, 6)), Conv("c", ("x",), torch.ones(3, 2, 3, 3), None, (1, 1), (1, 1), (1, 1))), ("c",)
    )
    assert float(fan_out(padded, "x").sum()) == 3 * 2 * 16 * 16
    assert macs(padded)["c"] == 3 * 6 * 6 * 2 * 9
