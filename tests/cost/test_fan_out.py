"""Fan-out: the factorised count equals sending a one through each neuron."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import BLOCKS, RESAMPLING, Builder, networks, perceptrons
from respike.cost import analog_macs, fan_out, fan_outs, kronecker, macs, probed_fan_out
from respike.errors import SlowWarning
from respike.ir import (
    Activation,
    Add,
    Concat,
    Conv,
    Input,
    LayerNorm,
    Linear,
    MatMul,
    Multiply,
    Network,
    Node,
    Pad,
    Permute,
    ReLU,
    Reshape,
    Slice,
)
from respike.neurons import FewSpikes
from respike.plan import Plan, Site
from respike.record import INPUT
from respike.schedule import Layerwise

COUNTING = import_module("respike.cost.fan_out")  # its name in the package is that of the function


def assert_exact(network: Network) -> None:
    for source in (network.inputs[0].name, *(node.name for node in network.activations)):
        assert torch.equal(fan_out(network, source), probed_fan_out(network, source)), source


@settings(max_examples=60, derandomize=True, deadline=None)
@given(network=networks())
def test_equals_probing_on_random_networks(network: Network) -> None:
    assert_exact(network)


@settings(max_examples=20, derandomize=True, deadline=None)
@given(network=networks(kinds=(*BLOCKS, *RESAMPLING, *RESAMPLING)))
def test_equals_probing_where_layers_enlarge(network: Network) -> None:
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


KERNELS = ((1, 1), (1, 3), (3, 1), (3, 3), (2, 1), (1, 4))


@st.composite
def linear_trees(draw: st.DrawFn) -> Network:
    """Sums of branches without activations between: of the same value, and of earlier sums."""
    builder = Builder((2, 5, 6), 0)
    sums = [builder.relu()]
    for number in range(draw(st.integers(1, 4))):
        terms = [draw(st.sampled_from(sums))]
        for kernel in draw(st.lists(st.sampled_from(KERNELS), min_size=1, max_size=3)):
            source, groups = draw(st.sampled_from(sums)), draw(st.sampled_from((1, 2)))
            padding = draw(st.tuples(*(st.integers(0, side - 1) for side in kernel)))
            weight = torch.ones(2, 2 // groups, *kernel)
            conv = Conv(builder.name("conv"), (source,), weight, None, (1, 1), padding, (1, 1), groups)
            height, width = (padding[dim] * 2 + 1 - kernel[dim] for dim in range(2))
            builder.put(conv)
            terms.append(builder.put(Pad(builder.name("crop"), (conv.name,), (0, -width, 0, -height))))
        sums.append(builder.put(Add(f"sum{number}", tuple(terms))))
    builder.relu()
    return builder.network()


@settings(max_examples=60, derandomize=True, deadline=None)
@given(network=linear_trees())
def test_branches_that_are_added_without_activations_between(network: Network) -> None:
    assert_exact(network)


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=linear_trees())
def test_beyond_a_number_of_ways_neurons_are_probed(network: Network) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kronecker, "MOST_TERMS", 1)
        assert_exact(network)


@pytest.mark.parametrize("groups", [1, 4])
def test_a_long_chain_of_linear_residuals_is_counted(groups: int) -> None:
    """`x + conv(x)`, forty times: 2^40 paths, and a neuron reaches all channels, or its own, of the whole image."""
    builder = Builder((4, 12, 12), 0)
    before = builder.relu()
    for _ in range(40):
        builder.conv(4, groups=groups)
        before = builder.put(Add(builder.name("sum"), (builder.last, before)))
    builder.relu()
    network = builder.network()
    counts = fan_out(network, network.activations[0].name)
    assert torch.equal(counts, torch.full((4, 12, 12), 4.0 / groups * 144, dtype=torch.float64))


def test_a_long_count_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(COUNTING, "_PATIENCE_S", 0.0)
    builder = Builder((3, 8, 8), 0)
    builder.relu()
    network = builder.network()
    with pytest.warns(SlowWarning, match=r"the synapses of '.+' .* about [\d,]+ s for 192 neurons"):
        probed_fan_out(network, network.inputs[0].name)


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


def moved(*behind: Node) -> Network:
    """A population of 3 channels of 6 by 6, rolled along both dimensions, and what stands behind it."""
    builder = Builder((3, 6, 6), 0)
    builder.relu()
    for dim in (2, 3):
        source = builder.last
        first = builder.put(Slice(f"first{dim}", (source,), dim, 2, 6, 1))
        second = builder.put(Slice(f"second{dim}", (source,), dim, 0, 2, 1))
        builder.put(Concat(f"roll{dim}", (first, second), dim))
    builder.put(Reshape("split", (builder.last,), (3, 2, 3, 2, 3)))
    builder.put(Permute("turned", (builder.last,), (0, 2, 4, 1, 3, 5)))
    builder.put(Reshape("windows", (builder.last,), (4, 27)))
    for node in behind:
        builder.put(node)
    return Network(tuple(builder.nodes), (builder.last,))


LINEAR = Linear("linear", ("windows",), torch.ones(5, 27).double())


def test_what_is_rolled_and_cut_into_windows_is_counted_behind_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shifted windows: rolled values stand in no product of dimensions, but each of them in one place."""
    network = moved(LINEAR, Activation("sent", ("linear",), ReLU()))
    assert_exact(network)
    part = Slice("part", ("windows",), 2, 4, 27, 2)
    assert_exact(moved(part, Linear("linear", ("part",), torch.ones(5, 12).double())))
    edge = Pad("edge", ("windows",), (1, 2), 3.0)
    assert_exact(moved(edge, Linear("linear", ("edge",), torch.ones(5, 30).double())))
    monkeypatch.setattr(COUNTING, "probed_fan_out", None)
    assert set(fan_out(network, network.activations[0].name).flatten().tolist()) == {5.0}


def test_moves_that_not_all_goes_through_or_that_repeat_are_probed() -> None:
    other = Linear("other", ("roll3",), torch.ones(2, 6).double())
    flat = (Reshape("flat", ("other",), (36,)), Reshape("flat.too", ("linear",), (20,)))
    assert_exact(moved(LINEAR, other, *flat, Concat("y", ("flat", "flat.too"), 1)))
    twice = Concat("twice", ("windows", "windows"), 2)
    assert_exact(moved(twice, Linear("linear", ("twice",), torch.ones(5, 54).double())))


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


def test_analog_nodes_end_synapses_and_begin_their_own() -> None:
    """Relu -> linear -> (gate of the linear) -> layer norm -> linear: spikes reach what the analog nodes read."""
    nodes = (
        Input("x", (), (3,)),
        Activation("relu", ("x",), ReLU()),
        Linear("fc", ("relu",), torch.ones(5, 3)),
        Multiply("gate", ("fc", "fc")),
        LayerNorm("norm", ("gate",), (5,), None, None, 1e-5),
        Linear("out", ("norm",), torch.ones(2, 5)),
    )
    network = Network(nodes, ("out",))
    counts = fan_outs(network)
    assert counts["relu"].tolist() == [10.0] * 3  # the product reads the layer twice
    assert counts["gate"].tolist() == [1.0] * 5
    assert counts["norm"].tolist() == [2.0] * 5
    assert counts[INPUT].tolist() == [1.0] * 3
    for name in ("relu", "gate", "norm"):
        assert torch.equal(counts[name], probed_fan_out(network, name))
    assert macs(network) == {"fc": 15, "gate": 5, "out": 10}
    kept = Plan({"relu": Site(1.0, neuron=FewSpikes(3))}, Layerwise(3), analog=("gate", "norm"))
    assert (
        analog_macs(network, kept, counts) == 5 + 5 * 1 + 5 * 4 + 5 * 2
    )  # products, what norm reads, its arithmetic, what out reads


def test_macs_of_matrix_products() -> None:
    nodes = (Input("x", (), (2, 4, 3)), Input("y", (), (2, 3, 5)), MatMul("product", ("x", "y")))
    network = Network(nodes, ("product",))
    assert macs(network) == {"product": 2 * 4 * 5 * 3}
    assert fan_outs(network)[INPUT].tolist() == [1.0] * (2 * 4 * 3 + 2 * 3 * 5)  # both inputs, one behind the other
