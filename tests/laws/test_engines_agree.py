"""The engines agree spike for spike, on every method, on random networks, in float64."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import images, networks, perceptrons, suited
from neuron_samples import STEPPED
from respike import engines, methods
from respike.coding import Bernoulli, Coding, ConstantCurrent, Frames, IntegrateEncoder
from respike.cost import fan_outs
from respike.engines.event import COMPILED
from respike.errors import DeadLayerWarning
from respike.ir import Activation, AvgPool, Input, Linear, Network, ReLU, Reshape
from respike.methods import Method
from respike.neurons import Neuron
from respike.plan import AccumulatedMax, MomentaryMax, Plan, Site, SpikeCount
from respike.record import INPUT, Probe
from respike.schedule import InputThenDrain, Steady

OPTIONS: dict[str, dict[str, Any]] = {
    "fit": {"input_steps": 5, "drain_steps": 4},
    "time_to_first_spike": {"time_bits": 4},
}

ENGINES: list[Any] = [engines.batched, *([engines.event] if COMPILED else [])]


def _events(still: torch.Tensor, steps: int) -> torch.Tensor:
    """Sequences of 0 to 3 events in each pixel and step."""
    generator = torch.Generator().manual_seed(steps)
    counts = torch.rand(len(still), steps, *still.shape[1:], generator=generator, dtype=still.dtype)
    return (4 * counts.square()).floor()


def assert_same_spikes(network: Network, plan: Plan, memory: int = 2000) -> None:
    given_images = images(network, 3)
    if plan.coding.over_time:
        given_images = _events(given_images, plan.schedule.input_steps)
    probe = Probe(spikes=(*plan.sites, INPUT), potentials=tuple(plan.sites), fan_out=fan_outs(network))
    expected = engines.reference(network, plan, given_images, probe)
    for engine in ENGINES:
        found = engine(network, plan, given_images, probe, memory=memory)
        assert expected.spikes.keys() == found.spikes.keys()
        for name in expected.spikes:
            assert torch.equal(expected.spikes[name], found.spikes[name]), name
        for name in expected.potentials:
            assert torch.allclose(expected.potentials[name], found.potentials[name], atol=1e-9), name
        assert torch.allclose(expected.outputs_over_time, found.outputs_over_time, atol=1e-9)
        for kind in ("spike_counts", "spikes_per_step", "operations_per_step"):
            assert getattr(expected, kind).keys() == getattr(found, kind).keys()
            for name, numbers in getattr(expected, kind).items():
                assert torch.equal(numbers, getattr(found, kind)[name]), (kind, name)


@pytest.mark.parametrize("method", methods.ALL, ids=lambda method: method.name)
@settings(max_examples=12, derandomize=True, deadline=None)
@given(network=st.one_of(networks(), perceptrons()))
def test_on_every_method(method: Method[Any], network: Network) -> None:
    network = suited(network, method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeadLayerWarning)
        plan = method.plan(network, images(network, 20, seed=1), **OPTIONS.get(method.name, {"steps": 9}))
    assert_same_spikes(network, _off_currents(plan) if method is methods.threshold_balancing else plan)


def _off_currents(plan: Plan) -> Plan:
    """Thresholds that were currents of a run arrive again: between them, no order of sums decides whether one fires."""
    sites = {name: replace(site, threshold=site.threshold * (1 + 1e-9)) for name, site in plan.sites.items()}
    return replace(plan, sites=sites)


CODINGS: list[Coding] = [ConstantCurrent(), Bernoulli(rate=600.0, seed=3), IntegrateEncoder(), Frames()]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    network=networks(),
    neuron=st.sampled_from(STEPPED),
    coding=st.sampled_from(CODINGS),
    schedule=st.sampled_from([Steady(7), InputThenDrain(4, 5), InputThenDrain(4, 5, bias_while_draining=True)]),
    max_pooling=st.sampled_from([AccumulatedMax(), MomentaryMax()]),
    counted=st.booleans(),
    per_channel=st.booleans(),
    memory=st.sampled_from([1, 3000, 10**8]),
    transient=st.sampled_from([0, 3, 9]),
)
def test_on_every_choice(
    network: Network,
    neuron: Neuron,
    coding: Coding,
    schedule: Steady | InputThenDrain,
    max_pooling: AccumulatedMax | MomentaryMax,
    counted: bool,
    per_channel: bool,
    memory: int,
    transient: int,
) -> None:
    def site(name: str) -> Site:
        channels = network.shapes[name][0]
        passing = torch.linspace(-0.4, 0.5, transient * channels, dtype=torch.float64).reshape(transient, channels)
        threshold = (
            0.3 + torch.rand(channels, generator=torch.Generator().manual_seed(channels)) if per_channel else 0.7
        )
        site = Site(threshold, spike_value=0.6, initial_potential=0.1, extra_current=0.01, neuron=neuron)
        return replace(site, transient=passing) if transient and isinstance(schedule, Steady) else site

    plan = Plan({node.name: site(node.name) for node in network.activations}, schedule, coding)
    plan = replace(plan, max_pooling=max_pooling)
    if counted:
        plan = replace(plan, readout=SpikeCount(site("fc")))
    assert_same_spikes(network, plan, memory)


def _pools_only() -> Network:
    nodes = (
        Input("x", (), (2, 6, 6)),
        Activation("first", ("x",), ReLU()),
        AvgPool("pool", ("first",), (2, 2), (2, 2), (0, 0)),
        Activation("second", ("pool",), ReLU()),
        Reshape("flat", ("second",), (18,)),
    )
    return Network(nodes, ("flat",))


def test_a_network_without_weights_runs_in_the_type_of_its_images() -> None:
    network = _pools_only()
    plan = Plan({"first": Site(0.3), "second": Site(0.07)}, Steady(9))
    assert_same_spikes(network, plan)
    given_images = images(network, 3)
    assert network(given_images).dtype == torch.float64
    few = methods.few_spikes(network, given_images, steps=5)
    runs = [engine(network, plan, given_images) for engine in engines.STEPPED.values()]
    runs += [engine(network, few, given_images) for engine in engines.LAYERWISE.values()]
    for record in runs:
        assert {record.outputs.dtype, *(counts.dtype for counts in record.spike_counts.values())} == {torch.float64}


@pytest.mark.parametrize("engine", [engines.reference, engines.batched])
def test_half_precision_counts_every_spike(engine: Any) -> None:
    """Bfloat16 holds whole numbers up to 256 only; here every neuron spikes 700 times for each of 300 images."""
    network = _pools_only()
    weights = Linear("fc", ("flat",), torch.ones(4, 18))
    network = Network((*network.nodes, weights), ("fc",)).to(torch.bfloat16)
    plan = Plan({"first": Site(1.0), "second": Site(1.0)}, Steady(700))
    record = engine(network, plan, torch.ones(300, 2, 6, 6), Probe(fan_out=fan_outs(network)))
    assert (record.spike_counts["first"] == 700).all()
    assert (record.spikes_per_step["first"] == 300 * 72).all()
