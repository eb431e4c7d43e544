"""Multi-threshold neurons, against the cascade of their thresholds in whole numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import images, networks
from respike import SpikingNetwork, engines, measure
from respike.cost import fan_outs
from respike.ir import Activation, Input, Linear, Network, ReLU
from respike.lower import unit_spikes
from respike.neurons import MultiThreshold, Neuron, SignedIntegrateFire, State
from respike.plan import Plan, Site
from respike.record import Probe
from respike.schedule import Steady

ENGINES = [engines.reference, engines.batched, engines.event]


def single(size: int) -> Network:
    eye = torch.eye(size, dtype=torch.float64)
    nodes = (Input("x", (), (size,)), Activation("relu", ("x",), ReLU()), Linear("out", ("relu",), eye))
    return Network(nodes, ("out",))


def plan(network: Network, neuron: Neuron, steps: int, threshold: float = 0.5) -> Plan:
    site = Site(threshold, initial_potential=threshold / 2, neuron=neuron)
    return Plan({node.name: site for node in network.activations}, Steady(steps))


def cascade(charge: int, total: int, thresholds: int) -> tuple[int, int]:
    """The amplitude and the number of spikes of one step; thresholds are 4, 8, 16, … eighths."""
    owed = 0 if charge >= 0 else min(-(charge // 4), total)  # to be taken back, in thresholds
    rest = charge // 4 if charge >= 0 else owed
    amplitude = spikes = 0
    for place in reversed(range(thresholds)):
        if rest >= 1 << place:
            rest -= 1 << place
            amplitude += 1 << place
            spikes += 1
    return (amplitude if charge >= 0 else -amplitude), spikes


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    eighths=st.lists(st.lists(st.integers(-60, 60), min_size=3, max_size=3), min_size=2, max_size=9),
    thresholds=st.integers(1, 5),
)
def test_a_step_is_a_cascade_of_thresholds(eighths: list[list[int]], thresholds: int) -> None:
    neuron = MultiThreshold(thresholds)
    state: State = neuron.start(torch.full((3,), 0.25, dtype=torch.float64))
    charges, totals = [2] * 3, [0] * 3
    for currents in eighths:
        charges = [charge + current for charge, current in zip(charges, currents, strict=True)]
        state, amplitudes = neuron.step(state, torch.tensor(currents).double() / 8, torch.tensor(0.5).double())
        wanted = [cascade(charge, total, thresholds) for charge, total in zip(charges, totals, strict=True)]
        assert amplitudes.tolist() == [amplitude for amplitude, _ in wanted]
        assert neuron.spikes_sent(amplitudes).tolist() == [spikes for _, spikes in wanted]
        charges = [charge - 4 * amplitude for charge, (amplitude, _) in zip(charges, wanted, strict=True)]
        totals = [total + amplitude for total, (amplitude, _) in zip(totals, wanted, strict=True)]
        assert (8 * state.potential).tolist() == charges
        assert min(totals) >= 0


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
@pytest.mark.parametrize("thresholds", [1, 3, 8])
def test_in_one_step_it_is_a_quantiser(engine: engines.Engine, thresholds: int) -> None:
    network = single(200)
    batch = torch.linspace(-3, 150, 200, dtype=torch.float64).unsqueeze(0)
    record = engine(network, plan(network, MultiThreshold(thresholds), 1), batch)
    assert torch.equal(record.outputs, 0.5 * (batch / 0.5 + 0.5).floor().clamp(0, 2**thresholds - 1))


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks())
def test_one_threshold_is_a_signed_neuron(network: Network) -> None:
    names = tuple(node.name for node in network.activations)
    for engine in ENGINES:
        one, signed = (
            engine(
                network, plan(network, neuron, 7), images(network, 2), Probe(spikes=names, fan_out=fan_outs(network))
            )
            for neuron in (MultiThreshold(1), SignedIntegrateFire())
        )
        for name in names:
            assert torch.equal(one.spikes[name], signed.spikes[name])
            assert torch.equal(one.operations_per_step[name], signed.operations_per_step[name])


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_every_one_of_an_amplitude_is_a_spike(engine: engines.Engine) -> None:
    network = single(3)
    batch = torch.tensor([[2.5, 3.5, 2.0]], dtype=torch.float64)  # 5, 7 and 4 thresholds
    spiking = SpikingNetwork(network, plan(network, MultiThreshold(3), 1))
    report = measure(spiking, (batch, torch.tensor([0])), engine=engine)
    assert report.spikes_per_layer == {"relu": 2.0 + 3.0 + 1.0}
    assert report.synaptic_operations == 18.0


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks(bias=True, kinds=("conv", "residual", "avgpool", "strided")))
def test_lowered_to_units_not_a_spike_changes(network: Network) -> None:
    given_plan = plan(network, MultiThreshold(3), 6)
    names = tuple(given_plan.sites)
    lowered, unit_plan = unit_spikes(network, given_plan)
    expected = engines.batched(network, given_plan, images(network, 3), Probe(spikes=names))
    found = engines.batched(lowered, unit_plan, images(network, 3), Probe(spikes=names))
    assert all(torch.equal(expected.spikes[name], found.spikes[name]) for name in names)
