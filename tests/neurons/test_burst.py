"""Burst neurons, by an independent definition in whole numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import images, networks, perceptrons
from respike import SpikingNetwork, engines, measure
from respike.cost import fan_outs
from respike.engines import Engine
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import Activation, Input, Linear, Network, ReLU
from respike.lower import fixed_point, unit_spikes
from respike.neurons import Burst, IntegrateFire, Neuron
from respike.plan import Plan, Site
from respike.record import Probe
from respike.schedule import Steady

ENGINES: list[Engine] = [engines.reference, engines.batched, engines.event]


def single(size: int) -> Network:
    eye = torch.eye(size, dtype=torch.float64)
    nodes = (Input("x", (), (size,)), Activation("relu", ("x",), ReLU()), Linear("out", ("relu",), eye))
    return Network(nodes, ("out",))


def plan(network: Network, neuron: Neuron, threshold: float = 0.5, steps: int = 6) -> Plan:
    site = Site(threshold, initial_potential=0.125, neuron=neuron)
    return Plan({node.name: site for node in network.activations}, Steady(steps))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    eighths=st.lists(st.integers(-40, 200), min_size=1, max_size=70), most=st.integers(1, 9), steps=st.integers(1, 70)
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_spikes_are_those_of_whole_numbers(
    engine: Engine, dtype: torch.dtype, eighths: list[int], most: int, steps: int
) -> None:
    """In eighths everything is exact: `s = min(max(v // 4, 0), most)`, `v -= 4 s`."""
    network = single(len(eighths)).to(dtype)
    batch = torch.tensor([eighths], dtype=dtype) / 8
    record = engine(
        network, plan(network, Burst(most), steps=steps), batch, Probe(spikes=["relu"], potentials=["relu"])
    )
    charges = [1] * len(eighths)
    for step in range(steps):
        charges = [charge + more for charge, more in zip(charges, eighths, strict=True)]
        sent = [min(max(charge // 4, 0), most) for charge in charges]
        charges = [charge - 4 * spikes for charge, spikes in zip(charges, sent, strict=True)]
        assert record.spikes["relu"][step, 0].tolist() == sent
    assert (8 * record.potentials["relu"][0]).tolist() == charges


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=networks())
def test_one_spike_a_step_is_integrate_and_fire(network: Network) -> None:
    names = tuple(node.name for node in network.activations)
    for engine in ENGINES:
        burst, plain = (
            engine(network, plan(network, neuron), images(network, 2), Probe(spikes=names, fan_out=fan_outs(network)))
            for neuron in (Burst(1), IntegrateFire())
        )
        for name in names:
            assert torch.equal(burst.spikes[name], plain.spikes[name])
            assert torch.equal(burst.operations_per_step[name], plain.operations_per_step[name])


def test_the_count_engine_is_exact_for_the_first_layer() -> None:
    network = single(64)
    batch = torch.linspace(-2, 8, 64, dtype=torch.float64).mul(8).round().div(8).unsqueeze(0)
    for most in (1, 3, 5):
        counted = engines.count(network, plan(network, Burst(most)), batch).spike_counts["relu"]
        assert torch.equal(counted, engines.batched(network, plan(network, Burst(most)), batch).spike_counts["relu"])
        assert float(counted.max()) == 6 * most


def test_a_burst_of_n_costs_n_spikes() -> None:
    network = single(2)
    batch = torch.tensor([[2.5, 0.0]], dtype=torch.float64)
    report = measure(SpikingNetwork(network, plan(network, Burst(), steps=1)), (batch, torch.tensor([0])))
    assert report.spikes_per_layer == {"relu": 5.0}
    assert report.synaptic_operations == 10.0


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks(bias=True, kinds=("conv", "residual", "avgpool", "strided")))
def test_lowered_to_units_not_a_spike_changes(network: Network) -> None:
    given_plan = plan(network, Burst(3))
    names = tuple(given_plan.sites)
    lowered, unit_plan = unit_spikes(network, given_plan)
    expected = engines.batched(network, given_plan, images(network, 3), Probe(spikes=names))
    found = engines.batched(lowered, unit_plan, images(network, 3), Probe(spikes=names))
    assert all(torch.equal(expected.spikes[name], found.spikes[name]) for name in names)


@settings(max_examples=6, derandomize=True, deadline=None)
@given(network=perceptrons())
def test_in_integers_all_engines_agree(network: Network) -> None:
    fixed = fixed_point(network, plan(network, Burst(3)), bits=8)
    batch = images(network, 3)
    names = tuple(fixed.plan.sites)
    run = fixed.run(batch, Probe(spikes=names))
    assert not any(run.saturations.values())
    for engine in ENGINES:
        found = engine(fixed.network, fixed.plan, fixed.encode(batch), Probe(spikes=names))
        assert all(torch.equal(found.spikes[name], run.recording.spikes[name]) for name in names)


def test_a_clip_is_kept_by_what_a_burst_delivers() -> None:
    nodes = (Input("x", (), (1,)), Activation("relu6", ("x",), ReLU(6.0)))
    network = Network((*nodes, Linear("out", ("relu6",), torch.ones(1, 1))), ("out",))
    SpikingNetwork(network, Plan({"relu6": Site(1.2, neuron=Burst(5))}, Steady(3)))
    with pytest.raises(InvalidPlan, match="layer 'relu6' clips at 6"):
        SpikingNetwork(network, Plan({"relu6": Site(1.3, neuron=Burst(5))}, Steady(3)))


def test_it_sends_at_least_one_spike() -> None:
    with pytest.raises(InvalidOption, match="most=0"):
        Burst(0)
