"""Mixed steps: errors and operations are what runs say, and the choice is the best of all."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from networks import Builder, images
from respike import Probe, SpikingNetwork, load, methods, refine, simulate
from respike.cost import fan_outs
from respike.engines import few_spikes, reference
from respike.errors import InvalidPlan
from respike.ir import Network
from respike.neurons import CanonicFewSpikes
from respike.plan import Plan, Site
from respike.refine.choices import Choice, allotted, choices, see_errors, see_operations
from respike.schedule import Layerwise
from respike.zoo.transformers import EncoderBlock


def network() -> Network:
    """Three populations and a sum of two ways."""
    builder = Builder((2, 6, 6), 3)
    builder.conv(6)
    builder.relu()
    builder.block("residual")
    builder.conv(4)
    builder.relu()
    builder.conv(5)
    return builder.network()


NETWORK = network()
IMAGES = images(NETWORK, 40)


def seen(plan: Plan, images: torch.Tensor = IMAGES) -> list[Choice]:
    """All choices of a plan, with their errors and operations."""
    network = plan.on(NETWORK)
    layers = list(choices(plan, network, IMAGES))
    see_errors(layers, network, images)
    see_operations(layers, plan, network, images)
    return layers


@pytest.mark.parametrize("method", [methods.few_spikes, methods.canonic_spikes, methods.every_edge])
def test_errors_and_operations_are_those_of_runs_with_one_layer_changed(method: methods.Method[...]) -> None:
    """Against runs in which the other layers have so many steps that they round nothing."""
    plan = method.plan(NETWORK, IMAGES, steps=4, correct_bias=False)
    exact = NETWORK(IMAGES)
    layers = seen(plan)
    assert len(layers) == len(plan.sites)
    fine = {
        name: Site(site.threshold / 2**8, neuron=finer, initial_potential=site.initial_potential / 2**8)
        for name, site in plan.sites.items()
        if (finer := site.neuron.finer(16))
    }
    for layer in layers:
        for more in (-1, 0):
            alone = replace(plan, sites={**fine, **layer.sites[more]}, schedule=Layerwise(20))
            outputs = SpikingNetwork(NETWORK, alone)(IMAGES)
            measured = float((outputs - exact).double().square().flatten(1).sum(1).mean())
            assert layer.errors[more] == pytest.approx(measured, rel=0.5)  # 160 random directions, to first order
            spiking = SpikingNetwork(NETWORK, alone)
            probe = Probe(fan_out=fan_outs(spiking.network, alone))
            spent = simulate(spiking, IMAGES, probe, engine=reference).operations_per_step
            counted = sum(float(spent[node.name].sum()) for node in layer.nodes) / len(IMAGES)
            assert layer.operations[more] == pytest.approx(counted, rel=0.05)  # its own input was rounded, too


PAIRS = st.tuples(st.floats(0.01, 10), st.floats(0.01, 10))
"""Error and operations."""


@settings(deadline=None)
@given(st.lists(st.lists(PAIRS, min_size=2, max_size=4), min_size=1, max_size=4), st.floats(0.5, 40))
def test_no_choice_with_less_error_has_fewer_operations(table: list[list[tuple[float, float]]], most: float) -> None:
    """A Lagrangian's choice has the fewest operations of all that make no larger an error than it does."""
    layers = [
        Choice([], {}, {n: error for n, (error, _) in enumerate(row)}, {n: cost for n, (_, cost) in enumerate(row)})
        for row in table
    ]
    chosen = allotted(layers, most)

    def total(choice: tuple[int, ...] | list[int], of: int) -> float:
        return sum(row[more][of] for row, more in zip(table, choice, strict=True))

    every = list(itertools.product(*[range(len(row)) for row in table]))
    least = min(total(choice, 0) for choice in every)
    assert total(chosen, 0) <= max(most, least * (1 + 1e-9))
    for choice in every:
        if total(choice, 0) <= total(chosen, 0) * (1 - 1e-9):
            assert total(choice, 1) >= total(chosen, 1) * (1 - 1e-6)


@pytest.mark.parametrize("method", [methods.few_spikes, methods.canonic_spikes, methods.every_edge])
def test_the_same_error_costs_fewer_operations(method: methods.Method[...]) -> None:
    plan = method.plan(NETWORK, IMAGES, steps=4)
    mixed = refine.mixed_steps(plan, NETWORK, IMAGES)
    assert mixed.title.startswith(method.name)
    assert "mixed_steps" in mixed.title
    before, after = (_spent(one) for one in (plan, mixed))
    assert after[0] < before[0]
    assert after[1] < before[1] * 1.5
    coarse = _spent(refine.mixed_steps(plan, NETWORK, IMAGES, error=4.0))
    assert coarse[0] < after[0]
    assert coarse[1] > after[1]
    # Mean errors are corrected anew, not twice.
    plain = refine.mixed_steps(method.plan(NETWORK, IMAGES, steps=4, correct_bias=False), NETWORK, IMAGES)
    assert not any(torch.as_tensor(site.extra_current).any() for site in plain.sites.values())
    corrected = refine.correct_biases(plain, NETWORK, IMAGES)
    for name, site in mixed.sites.items():
        assert site.neuron == corrected.sites[name].neuron
        assert torch.allclose(torch.as_tensor(site.extra_current), torch.as_tensor(corrected.sites[name].extra_current))


def test_products_held_values_and_engines() -> None:
    """An encoder block: the plan stays whole, and both engines give the same."""
    torch.manual_seed(1)
    given = torch.randn(24, 5, 8)
    network = load(nn.Sequential(EncoderBlock(8, 2), nn.Flatten(), nn.Linear(40, 3)).eval(), given[:2])
    plan = methods.every_edge(network, given, steps=4)
    mixed = refine.mixed_steps(plan, network, given, error=0.5)
    steps = {site.neuron.window for site in mixed.sites.values()}
    assert len(steps) > 1
    assert mixed.schedule == Layerwise(max(filter(None, steps)))
    assert (mixed.products, mixed.held, mixed.analog) == (plan.products, plan.held, plan.analog)
    spiking = SpikingNetwork(network, mixed)
    one, other = (
        simulate(spiking, given[:4], engine=engine).outputs_over_time[-1] for engine in (few_spikes, reference)
    )
    assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_other_neurons_are_refused_and_the_advice_works() -> None:
    with pytest.raises(InvalidPlan, match=r"mixed_steps .*integrate-and-fire neurons.* few_spikes, canonic_spikes"):
        refine.mixed_steps(methods.max_norm(NETWORK, IMAGES, steps=4), NETWORK, IMAGES)
    mixed = refine.mixed_steps(methods.canonic_spikes(NETWORK, IMAGES, steps=4), NETWORK, IMAGES)
    assert all(isinstance(site.neuron, CanonicFewSpikes) for site in mixed.sites.values())


def _spent(plan: Plan) -> tuple[float, float]:
    """Operations and squared error."""
    spiking = SpikingNetwork(NETWORK, plan)
    record = simulate(spiking, IMAGES, Probe(fan_out=fan_outs(spiking.network, plan)))
    error = float((record.outputs_over_time[-1] - NETWORK(IMAGES)).double().square().sum())
    return sum(float(sums.sum()) for sums in record.operations_per_step.values()), error
