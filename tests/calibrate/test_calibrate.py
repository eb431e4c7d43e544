"""Calibration: streamed statistics against numpy on all activations at once; bounds against Diehl's algorithm."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import Builder, images, networks, perceptrons
from respike.calibrate import activation_bounds, observe, statistics
from respike.calibrate.statistics import together
from respike.engines.event import COMPILED
from respike.errors import InvalidData, InvalidOption
from respike.ir import (
    Activation,
    BatchNorm,
    Conv,
    ElementwiseAffine,
    Input,
    Linear,
    Network,
    Node,
    ReLU,
    Reshape,
)


def activations(network: Network, batch: torch.Tensor) -> dict[str, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """All activations, `[channels, values]`."""
    return {
        node.name: value.transpose(0, 1).flatten(1).float().numpy()
        for node, value in network.stream((batch,))
        if isinstance(node, Activation)
    }


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    network=st.one_of(networks(), perceptrons()),
    percent=st.sampled_from([50.0, 90.0, 99.0, 99.9, 100.0]),
    nonzero_only=st.booleans(),
    per_channel=st.booleans(),
)
def test_statistics_equal_numpy(network: Network, percent: float, nonzero_only: bool, per_channel: bool) -> None:
    batch = images(network, 40)
    seen = observe(network, [batch[i : i + 7] for i in range(0, 40, 7)], per_channel=per_channel)
    for name, values in activations(network, batch).items():
        np.testing.assert_allclose(seen[name].maximum.numpy(), values.max(1), rtol=1e-6)
        np.testing.assert_allclose(seen[name].mean.numpy(), values.mean(1), rtol=1e-4, atol=1e-7)
        rows = values if per_channel else values.reshape(1, -1)
        for row, found in zip(rows, seen[name].percentile(percent, nonzero_only=nonzero_only), strict=True):
            kept = row[row > 0] if nonzero_only else row
            if not len(kept):
                assert found == 0
                continue
            exact = float(np.percentile(kept, percent, method="inverted_cdf"))
            assert exact / 1.02 - 1e-6 <= float(found) <= exact * 1.02 + 1e-6


@settings(max_examples=30, derandomize=True, deadline=None)
@given(network=perceptrons(bias=False))
def test_bounds_are_diehl_algorithm_1(network: Network) -> None:
    """The product of the layers' largest sums of positive weights."""
    bounds = activation_bounds(network)
    product = 1.0
    for node in network.nodes:
        match node:
            case Linear():
                product *= max(sum(max(0.0, float(w)) for w in row) for row in node.weight)
            case Activation():
                assert bounds[node.name] == pytest.approx(product)
            case _:
                pass


@settings(max_examples=30, derandomize=True, deadline=None)
@given(network=networks(), seed=st.integers(0, 1000))
def test_no_activation_exceeds_its_bound(network: Network, seed: int) -> None:
    bounds = activation_bounds(network)
    for name, values in activations(network, images(network, 20, seed)).items():
        assert values.max() <= bounds[name] * (1 + 1e-6) + 1e-9


def test_batches_may_come_with_labels_or_as_one_tensor() -> None:
    network = _network()
    batch = images(network, 30)
    alone = observe(network, batch)
    labelled = observe(network, [(batch[:10], torch.zeros(10)), (batch[10:], torch.zeros(20))])
    for name in alone:
        assert torch.equal(alone[name].maximum, labelled[name].maximum)
        assert torch.equal(alone[name].histogram, labelled[name].histogram)


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (torch.zeros(0, 5), "empty"),
        ([], "empty"),
        (torch.zeros(3, 4), "takes a batch of shape"),
        (torch.full((3, 5), float("nan")), "NaN"),
        (torch.full((3, 5), float("inf")), "NaN or infinite"),
    ],
)
def test_bad_calibration_sets(calibration: torch.Tensor, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        observe(_network(), calibration)


def test_each_value_lies_between_the_edges_of_its_bin() -> None:
    """One activation after the other: an edge belongs to the bin above it."""
    network = Network((Input("x", (), (1,)), Activation("a", ("x",), ReLU())), ("a",))
    for value in (1.0, 1.0 + 2.0**-7, 2.0**-20, 3.7, 1000.0):
        seen = observe(network, torch.tensor([[value], [-1.0]]))["a"]
        (number,) = seen.histogram[0].nonzero().flatten().tolist()
        low, high = seen.edges[number : number + 2].tolist()
        assert low <= value < high <= 1.016 * low
        assert seen.edges.shape == (seen.histogram.shape[1] + 1,)


def test_the_largest_activation_that_a_histogram_holds_is_its_own_percentile() -> None:
    network = Network((Input("x", (), (1, 2)), Activation("relu", ("x",), ReLU())), ("relu",))
    largest = float(observe(network, torch.ones(1, 1, 2), per_channel=True)["relu"].edges[-2]) * 1.001
    seen = observe(network, torch.tensor([[[largest, largest]]]), per_channel=True)["relu"]
    assert float(seen.percentile(100.0)) == pytest.approx(largest, rel=1e-6)


def test_the_mean_of_one_activation_is_itself() -> None:
    network = Network((Input("x", (), (1,)), Activation("relu", ("x",), ReLU())), ("relu",))
    assert observe(network, torch.tensor([[3.0]]), per_channel=True)["relu"].mean.tolist() == [3.0]


def test_a_percentile_is_in_range() -> None:
    seen = observe(_network(), torch.rand(4, 5))
    with pytest.raises(InvalidOption, match="percentile"):
        next(iter(seen.values())).percentile(0.0)


def _network() -> Network:
    builder = Builder((5,), 0)
    builder.put(Linear("in", ("x",), builder.random(6, 5)))
    builder.put(Activation("relu", ("in",), ReLU()))
    builder.put(Linear("out", ("relu",), builder.random(3, 6)))
    return Network(tuple(builder.nodes), ("out",))


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks(), per_channel=st.booleans())
def test_statistics_together_are_those_of_all_values(network: Network, per_channel: bool) -> None:
    """Those of parts of the images, put together, are those of all images: so it is with time steps."""
    whole = images(network, 12)
    expected = observe(network, whole, per_channel=per_channel)
    parts = [observe(network, part, per_channel=per_channel) for part in (whole[:3], whole[3:4], whole[4:])]
    for name, wanted in expected.items():
        found = together([part[name] for part in parts])
        assert found.values == wanted.values
        assert torch.equal(found.maximum, wanted.maximum)
        torch.testing.assert_close(found.mean, wanted.mean)
        assert torch.equal(found.histogram, wanted.histogram)


@pytest.mark.skipif(not COMPILED, reason="the kernels were not compiled")
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("shape", "axis"), [((3, 5, 7), 0), ((40,), 0), ((2, 4, 19), 2), ((1, 33), 0)])
@pytest.mark.parametrize("magnitude", [False, True])
def test_kernels_gather_what_torch_gathers(
    monkeypatch: pytest.MonkeyPatch, per_channel: bool, shape: tuple[int, ...], axis: int, magnitude: bool
) -> None:
    """Also of numbers that are negative, tiny, huge, infinite or none."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(6, *shape, generator=generator) * 10.0 ** torch.randint(
        -9, 9, (6, *shape), generator=generator
    )
    odd = values.clone().flatten()
    odd[[0, 11, 17]], odd[23], odd[31] = 0.0, torch.inf, torch.nan
    for batches in ([values], [values, values[:2] / 3], [odd.reshape(values.shape)]):
        compiled = statistics._Collector(shape, axis, per_channel)
        with monkeypatch.context() as patch:
            patch.setattr(statistics, "_native", None)
            defined = statistics._Collector(shape, axis, per_channel)
            for batch in batches:
                defined.add(batch, magnitude=magnitude)
        for batch in batches:
            compiled.add(batch, magnitude=magnitude)
        found, wanted = compiled.finish(), defined.finish()
        assert torch.equal(found.histogram, wanted.histogram)
        torch.testing.assert_close(found.maximum, wanted.maximum, rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(found.mean, wanted.mean, equal_nan=True)
        assert found.values == wanted.values


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-1.0, 2.0), (-3.0, -0.5)])
@pytest.mark.parametrize("kind", ["linear", "conv", "norm", "elementwise"])
def test_a_bound_is_what_the_worst_corner_of_the_inputs_gives(kind: str, ends: tuple[float, float]) -> None:
    """By trying all corners, biases included: an affine map has its largest value at one of them."""
    draw = torch.Generator().manual_seed(4)
    weight, two = torch.randn(2, 2, 3, generator=draw).double(), torch.randn(4, 2, generator=draw).double()
    maps: dict[str, Node] = {
        "linear": Linear("map", ("flat",), torch.randn(3, 6, generator=draw).double(), two[0, :1].expand(3) - 1),
        "conv": Conv("map", ("x",), weight, two[1], (1,), (0,), (1,)),
        "norm": BatchNorm("map", ("x",), two[0], two[1].abs() + 0.1, two[2], two[3], 1e-3),
        "elementwise": ElementwiseAffine("map", ("x",), two[1].reshape(2, 1), two[2].reshape(2, 1)),
    }
    flat = (Reshape("flat", ("x",), (6,)),) if kind == "linear" else ()
    network = Network((Input("x", (), (2, 3)), *flat, maps[kind], Activation("a", ("map",), ReLU())), ("a",))
    corners = torch.tensor(list(itertools.product(ends, repeat=6))).double().reshape(-1, 2, 3)
    worst = float(network.values((corners,), ("a",))["a"].max())
    assert activation_bounds(network.to(torch.float64), ends)["a"] == pytest.approx(worst)
    if ends == (0.0, 1.0):
        assert activation_bounds(network.to(torch.float64))["a"] == pytest.approx(worst)
