"""`match_outputs`: plans whose outputs are nearer to the network's, also on images that they were not fitted to."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import respike
from networks import Builder, computing, images
from respike import SpikingNetwork, data, methods, refine, zoo
from respike.errors import InvalidPlan
from respike.ir import GELU, Conv, Network, ReLU
from respike.plan import Plan
from respike.refine import descent

NETWORK = respike.load(zoo.load("mnist-cnn"), data.load("mnist", "test").take(2).images)
CALIBRATION = data.load("mnist", "calibration").images[:320]
TEST = data.load("mnist", "test").take(200).images


def divergence(plan: Plan, given: Tensor) -> float:
    found = respike.simulate(SpikingNetwork(NETWORK, plan), given).outputs_over_time[-1] / plan.output_decoding
    both = (functional.log_softmax(outputs, 1) for outputs in (found, NETWORK(given)))
    found, wanted = both
    return float((wanted.exp() * (wanted - found)).sum(1).mean())


@pytest.mark.parametrize(("neurons", "steps"), [("few_spikes", 1), ("canonic_spikes", 1), ("signed", 2), ("burst", 4)])
def test_outputs_come_nearer_on_other_images(neurons: str, steps: int) -> None:
    before = methods.find(neurons).plan(NETWORK, CALIBRATION, steps=steps)
    after = refine.match_outputs(before, NETWORK, CALIBRATION, rounds=50)
    assert divergence(after, TEST) < 0.9 * divergence(before, TEST)


def made(*kinds: str) -> Network:
    builder = Builder((2, 6, 6), seed=2)
    builder.conv(3)
    builder.relu()
    for kind in kinds:
        builder.block(kind)
    return builder.network()


PLANS: dict[str, Callable[[Network, Tensor], Plan]] = {
    "few spikes": lambda network, given: methods.few_spikes(network, given, steps=3),
    "in time": lambda network, given: methods.opi(network, given, steps=5),
    "read late, with transients": lambda network, given: methods.calibrated(network, given, steps=8),
    "signed": lambda network, given: methods.signed(network, given, steps=4),
    "draining": lambda network, given: methods.fit(network, given, input_steps=6, drain_steps=4, tolerance=1.0),
    "spiking output": lambda network, given: refine.spiking_output(methods.opi(network, given), network, given),
    "coarse to fine": lambda network, given: methods.coarse_to_fine(network, given, steps=4),
    "differential": lambda network, given: methods.differential(network, given, steps=4),
    "hard reset": lambda network, given: methods.data_norm(network, given, steps=6),
}


def moving(network: Network, plan: Plan, given: Tensor) -> dict[str, descent.Moving]:
    return {name: descent.Moving.of(site, given, math.inf) for name, site in plan.sites.items()}


@pytest.mark.parametrize("kind", PLANS)
def test_what_is_derived_is_the_output_of_the_engines(kind: str) -> None:
    network = made("residual", "maxpool")
    given = images(network, 6)
    plan = PLANS[kind](network, given)
    found = descent.outputs(network, plan, given, moving(network, plan, given))
    wanted = respike.simulate(SpikingNetwork(network, plan), given).outputs_over_time[-1] / plan.output_decoding
    assert found.requires_grad
    torch.testing.assert_close(found.detach(), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["in time", "read late"])
def test_in_many_steps_derivatives_are_those_of_the_simulation(kind: str) -> None:
    """By the definition: outputs with currents, thresholds and spike values that are a little larger and smaller."""
    network = made("residual")
    given = images(network, 2)
    plan = methods.opi(network, given, steps=20_000)
    wide = {name: replace(site, threshold=2 * site.threshold, spike_value=None) for name, site in plan.sites.items()}
    plan = replace(plan, sites=wide)  # so that none saturates
    if kind == "read late":
        plan = refine.read_late(plan, after=5000)
    weights = torch.linspace(-1, 1, 4, dtype=torch.float64)
    for name in plan.sites:
        for place in range(3):
            parts = moving(network, plan, given)
            derived = (descent.outputs(network, plan, given, parts) @ weights).sum()
            (found,) = torch.autograd.grad(derived, [parts[name].numbers[place]])
            sums = []
            for by in (0.01, -0.01):
                moved = moving(network, plan, given)
                with torch.no_grad():
                    moved[name].numbers[place].add_(by)
                    sums.append((descent.outputs(network, plan, given, moved) @ weights).sum())
            torch.testing.assert_close(found.sum(), (sums[0] - sums[1]) / 0.02, rtol=0.02, atol=0.02)


def test_in_many_steps_derivatives_by_weights_are_those_of_the_simulation() -> None:
    network = made("residual")
    given = images(network, 2)
    plan = methods.opi(network, given, steps=20_000)
    wide = {name: replace(site, threshold=2 * site.threshold, spike_value=None) for name, site in plan.sites.items()}
    plan = replace(plan, sites=wide)  # so that none saturates
    sums = torch.linspace(-1, 1, 4, dtype=torch.float64)
    for name in descent.weights_of(network):
        weights = descent.weights_of(network)
        derived = (descent.outputs(network, plan, given, {}, weights) @ sums).sum()
        (found,) = torch.autograd.grad(derived, [weights[name].moved])
        direction = torch.randn(found.shape, generator=torch.Generator().manual_seed(0), dtype=found.dtype)
        both = []
        for by in (0.005, -0.005):
            moved = descent.weights_of(network)
            with torch.no_grad():
                moved[name].moved.add_(by * direction)
                both.append((descent.outputs(network, plan, given, {}, moved) @ sums).sum())
        torch.testing.assert_close((found * direction).sum(), (both[0] - both[1]) / 0.01, rtol=0.03, atol=0.03)


@pytest.mark.parametrize(("neurons", "steps"), [("few_spikes", 1), ("canonic_spikes", 1)])
def test_with_weights_outputs_come_nearer_still(neurons: str, steps: int) -> None:
    plan = methods.find(neurons).plan(NETWORK, CALIBRATION, steps=steps)
    without, with_weights = (
        refine.match_outputs(plan, NETWORK, CALIBRATION, rounds=60, weights=weights) for weights in (False, True)
    )
    assert not without.weights
    assert divergence(with_weights, TEST) < 0.9 * divergence(without, TEST)
    further = refine.match_outputs(with_weights, NETWORK, CALIBRATION, rounds=1, rate=1e-12)
    for name, weight in with_weights.weights.items():
        assert torch.equal(further.weights[name], weight)


def test_weights_that_layers_share_stay_shared() -> None:
    torch.manual_seed(1)
    cell = nn.RNN(3, 4, nonlinearity="relu", batch_first=True)

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.out = cell, nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.cell(x)[0][:, -1])  # type: ignore[no-any-return]

    given = torch.rand(16, 5, 3, generator=torch.Generator().manual_seed(0))
    network = respike.load(Last().eval(), given[:2])
    plan = methods.few_spikes(network, given, steps=2)
    weights = refine.match_outputs(plan, network, given, rounds=2, weights=True).weights
    named = {name: network[name].weight for name in weights}  # type: ignore[union-attr]
    for one, other in itertools.combinations(named, 2):
        assert (named[one] is named[other]) == (weights[one] is weights[other])
    assert len({id(weight) for weight in weights.values()}) < len(weights)


def test_without_a_step_to_speak_of_nothing_moves_and_runs_repeat() -> None:
    before = methods.few_spikes(NETWORK, CALIBRATION, steps=3)
    still = refine.match_outputs(before, NETWORK, CALIBRATION, rounds=2, rate=1e-12)
    once, again = (refine.match_outputs(before, NETWORK, CALIBRATION, rounds=2) for _ in range(2))
    for name, site in before.sites.items():
        for field in ("threshold", "spike_value", "initial_potential", "extra_current"):
            one, other = (torch.as_tensor(getattr(plan.sites[name], field)) for plan in (before, still))
            torch.testing.assert_close(other.double(), one.double().expand_as(other), rtol=1e-6, atol=1e-9)
            assert torch.equal(getattr(once.sites[name], field), getattr(again.sites[name], field))
        moved = torch.as_tensor(once.sites[name].threshold).double()
        assert not torch.allclose(moved, torch.as_tensor(site.threshold).double(), rtol=1e-4)


def test_the_network_keeps_its_weights_and_its_values() -> None:
    kept = copy.deepcopy([node.weight for node in NETWORK.nodes if isinstance(node, Conv)])
    plan = methods.few_spikes(NETWORK, CALIBRATION, steps=2)
    for weights in (False, True):
        refine.match_outputs(plan, NETWORK, CALIBRATION, rounds=1, weights=weights)
    for weight, node in zip(kept, (node for node in NETWORK.nodes if isinstance(node, Conv)), strict=True):
        assert torch.equal(weight, node.weight)


def test_output_neurons_that_spike_stay_as_they_are() -> None:
    before = refine.spiking_output(methods.opi(NETWORK, CALIBRATION, steps=4), NETWORK, CALIBRATION)
    after = refine.match_outputs(before, NETWORK, CALIBRATION, rounds=1)
    assert after.readout == before.readout


def test_no_spike_delivers_more_than_a_clip() -> None:
    builder = Builder((2, 4, 4), seed=1)
    builder.conv(3)
    builder.relu()
    network = builder.network()
    nodes = tuple(replace(node, function=ReLU(0.5)) if node in network.activations else node for node in network.nodes)
    clipped = Network(nodes, network.outputs)
    given = images(clipped, 40)
    plan = refine.match_outputs(methods.few_spikes(clipped, given, steps=3), clipped, given, rounds=20, rate=0.5)
    plan.check(clipped)
    site = plan.sites[clipped.activations[0].name]
    assert float(torch.as_tensor(site.value).max()) * site.neuron.largest <= 0.5 * (1 + 1e-6)


def test_outputs_that_are_no_classes_are_refused() -> None:
    builder = Builder((2, 4, 4), seed=1)
    builder.conv(3)
    builder.relu()
    network = Network(tuple(builder.nodes), (builder.last,))
    with pytest.raises(InvalidPlan, match="fit_values"):
        refine.match_outputs(methods.opi(network, images(network, 4), steps=3), network, images(network, 4))


def test_words_are_not_mixed() -> None:
    network = respike.load(
        nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3)).eval(),
        torch.zeros(2, 3, dtype=torch.long),
    )
    words = torch.randint(10, (8, 3), generator=torch.Generator().manual_seed(0))
    before = methods.every_edge(network, words, steps=3)
    after = refine.match_outputs(before, network, words, rounds=2)
    found, wanted = (SpikingNetwork(network, plan)(words) for plan in (after, before))
    assert not torch.equal(found, wanted)


def test_plans_of_fitted_neurons_alone_are_refused() -> None:
    network = computing(GELU(), made("conv"))
    given = images(network, 20)
    plan = methods.few_spikes(network, given, steps=4)
    with pytest.raises(InvalidPlan, match="has no others: leave it out"):
        refine.match_outputs(plan, network, given)


@pytest.mark.parametrize("digits", ["powers of two", "fitted"])
def test_populations_on_edges_move(digits: str) -> None:
    network, given = made("conv"), images(made("conv"), 20)
    network = computing(GELU(), network)
    before = methods.every_edge(network, given, steps=2)
    if digits == "fitted":
        before = refine.fit_digits(before, network, given)
    after = refine.match_outputs(before, network, given, rounds=2)
    fitted = {node.name for node in network.activations}
    assert before.sites.keys() - fitted
    for name, site in before.sites.items():
        assert (site is after.sites[name]) == (name in fitted)
