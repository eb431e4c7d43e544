"""Weights of a plan: it runs as the same plan without them does on a network that has them as its own."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import respike
from mixers import given_to, mixers
from networks import Builder, images, networks
from respike import SpikingNetwork, archive, engines, methods, refine
from respike.errors import InvalidPlan
from respike.export import Pooling, portable, to_program
from respike.ir import Network
from respike.lower import fixed_point, unit_spikes
from respike.measure.early_exit import Bound
from respike.passes.edges import Weighted
from respike.plan import Plan


def plain() -> Network:
    builder = Builder((2, 8, 8), seed=3)
    builder.conv(3)
    builder.relu()
    for kind in ("residual", "avgpool"):
        builder.block(kind)
    return builder.network()


NETWORK = plain()
GIVEN = images(NETWORK, 12)
PLANS: dict[str, Callable[[Network, Tensor], Plan]] = {
    "in time": lambda network, given: methods.opi(network, given, steps=9),
    "few spikes": lambda network, given: methods.few_spikes(network, given, steps=3),
}


def moved(network: Network, plan: Plan, seed: int = 0) -> tuple[Plan, SpikingNetwork]:
    """The plan with weights of its own, and what it must be: the same plan on a network that has them."""
    draw = torch.Generator().manual_seed(seed)
    weights = {
        node.name: node.weight + 0.3 * torch.randn(node.weight.shape, generator=draw, dtype=node.weight.dtype)
        for node in network.nodes
        if isinstance(node, Weighted)
    }
    nodes = tuple(replace(one, weight=weights[one.name]) if isinstance(one, Weighted) else one for one in network.nodes)
    return replace(plan, weights=weights), SpikingNetwork(replace(network, nodes=nodes), plan)


def same(network: Network, plan: Plan, batch: Tensor) -> None:
    with_weights, wanted = moved(network, plan)
    found = SpikingNetwork(network, with_weights)
    for name, engine in engines.ALL.items():
        if name not in (engines.LAYERWISE if hasattr(plan.schedule, "window") else engines.STEPPED):
            continue
        one = engine(network, with_weights, batch)
        other = engine(wanted.network, plan, batch)
        assert torch.equal(one.outputs, other.outputs), name
        for population, counts in other.spike_counts.items():
            assert torch.equal(counts, one.spike_counts[population]), (name, population)
    assert torch.equal(found(batch), wanted(batch))
    assert torch.equal(found.to_module()(batch), wanted.to_module()(batch))
    assert not torch.equal(found(batch), SpikingNetwork(network, plan)(batch))


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks(), kind=st.sampled_from(list(PLANS)))
def test_engines_run_the_weights_of_the_plan(network: Network, kind: str) -> None:
    batch = images(network, 6)
    same(network, PLANS[kind](network, batch), batch)


@settings(max_examples=5, derandomize=True, deadline=None)
@given(network=mixers())
def test_populations_on_edges_read_them(network: Network) -> None:
    batch = given_to(network, 4)
    same(network, methods.every_edge(network, batch, steps=4), batch)


def test_images_in_a_pipeline_get_them() -> None:
    plan = PLANS["few spikes"](NETWORK, GIVEN)
    with_weights, wanted = moved(NETWORK, plan)
    found = engines.pipelined(NETWORK, with_weights, GIVEN)
    assert torch.equal(found.outputs, engines.pipelined(wanted.network, plan, GIVEN).outputs)


def test_what_is_lowered_and_exported_has_them() -> None:
    plan = PLANS["in time"](NETWORK, GIVEN)
    with_weights, wanted = moved(NETWORK, plan)
    found = SpikingNetwork(NETWORK, with_weights)
    integers = fixed_point(NETWORK, with_weights), fixed_point(wanted.network, plan)
    floats = [(portable(found, pooling), portable(wanted, pooling)) for pooling in Pooling]
    pairs = [
        (unit_spikes(NETWORK, with_weights), unit_spikes(wanted.network, plan)),
        *(((one.network, one.plan), (other.network, other.plan)) for one, other in floats),
        *(((one.network, one.plan), (other.network, other.plan)) for one, other in [integers]),
    ]
    for (network, lowered), (other, other_plan) in pairs:
        batch = torch.rand(4, *network.inputs[0].shape, dtype=network.dtype).round()
        assert torch.equal(SpikingNetwork(network, lowered)(batch), SpikingNetwork(other, other_plan)(batch))
    assert torch.equal(to_program(found).module()(GIVEN), to_program(wanted).module()(GIVEN))


def test_bounds_of_an_early_exit_are_of_them() -> None:
    plan = PLANS["in time"](NETWORK, GIVEN)
    with_weights, wanted = moved(NETWORK, plan)
    data = [(GIVEN, torch.zeros(len(GIVEN), dtype=torch.long))]
    found = respike.measure(SpikingNetwork(NETWORK, with_weights), data, early_exit=Bound()).early_exit
    expected = respike.measure(wanted, data, early_exit=Bound()).early_exit
    assert found == expected is not None


def test_the_conversion_is_compared_with_the_network_as_it_was() -> None:
    plan = PLANS["few spikes"](NETWORK, GIVEN)
    with_weights, _ = moved(NETWORK, plan)
    right = NETWORK(GIVEN).argmax(1)
    report = respike.measure(SpikingNetwork(NETWORK, with_weights), [(GIVEN, right)])
    assert report.network_accuracy == 1
    assert report.accuracy[-1] < 1


def test_files_keep_both(tmp_path: Path) -> None:
    plan = PLANS["in time"](NETWORK, GIVEN)
    with_weights, wanted = moved(NETWORK, plan)
    SpikingNetwork(NETWORK, with_weights).save(tmp_path / "net.respike")
    found = SpikingNetwork.load(tmp_path / "net.respike")
    assert torch.equal(found(GIVEN), wanted(GIVEN))
    assert torch.equal(found.network(GIVEN), NETWORK(GIVEN))


def test_refinements_that_follow_see_them_spike() -> None:
    """What `correct_biases` finds is what it must add to the spikes of the moved weights, not of the network's."""
    plan = PLANS["few spikes"](NETWORK, GIVEN)
    with_weights, _ = moved(NETWORK, plan)
    corrected = SpikingNetwork(NETWORK, refine.correct_biases(with_weights, NETWORK, GIVEN))
    first = NETWORK.activations[0].name
    (before,) = NETWORK[first].inputs
    wanted = NETWORK.values((GIVEN,), keep=[before])[before].mean((0, 2, 3))
    found = corrected.plan.on(NETWORK).values((GIVEN,), keep=[before])[before].mean((0, 2, 3))
    extra = torch.as_tensor(corrected.plan.sites[first].extra_current)
    torch.testing.assert_close(found + extra, wanted)


def test_the_network_with_them_is_made_once_and_is_its_own() -> None:
    with_weights, _ = moved(NETWORK, PLANS["in time"](NETWORK, GIVEN))
    spiking = with_weights.on(NETWORK)
    assert spiking is with_weights.on(NETWORK) is with_weights.on(spiking)
    other, _ = moved(NETWORK, PLANS["in time"](NETWORK, GIVEN), seed=1)
    assert not torch.equal(other.on(NETWORK)(GIVEN), spiking(GIVEN))
    assert torch.equal(with_weights.on(NETWORK)(GIVEN), spiking(GIVEN))


def test_a_network_that_nobody_uses_any_more_goes() -> None:
    first, second = (moved(NETWORK, PLANS["in time"](NETWORK, GIVEN), seed)[0] for seed in (0, 1))
    seen = weakref.ref(first.on(NETWORK))
    second.on(NETWORK)
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", PLANS)
def test_they_may_change_in_place(kind: str, dtype: torch.dtype) -> None:
    plan, _ = moved(NETWORK, PLANS[kind](NETWORK, GIVEN))
    plan = replace(plan, weights={name: weight.to(dtype) for name, weight in plan.weights.items()})
    engine = engines.fastest(NETWORK, plan)
    before = engine(NETWORK, plan, GIVEN).outputs
    for weight in plan.weights.values():
        weight.mul_(-0.5)
    wanted = engine(NETWORK, replace(plan, weights=dict(plan.weights)), GIVEN).outputs
    assert torch.equal(engine(NETWORK, plan, GIVEN).outputs, wanted)
    assert not torch.equal(before, wanted)


@pytest.mark.parametrize(
    ("name", "weight", "told"),
    [
        ("other", torch.ones(2), "weights for 'other', which is no linear layer or convolution"),
        (NETWORK.activations[0].name, torch.ones(2), "which is no linear layer or convolution"),
        (NETWORK.nodes[1].name, torch.ones(2), r"shape \[3, 2, 3, 3\], and the plan's for it \[2\]"),
        (NETWORK.nodes[1].name, torch.full((3, 2, 3, 3), torch.nan), "must be finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(name: str, weight: Tensor, told: str, tmp_path: Path) -> None:
    plan = replace(PLANS["in time"](NETWORK, GIVEN), weights={name: weight})
    with pytest.raises(InvalidPlan, match=told):
        SpikingNetwork(NETWORK, plan)
    archive.write(tmp_path / "net.respike", NETWORK, plan)
    with pytest.raises(respike.errors.InvalidFile):
        SpikingNetwork.load(tmp_path / "net.respike")
