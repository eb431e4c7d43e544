"""Conversions that look at what a few steps have left over, or balance thresholds in small steps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import respike
from networks import images, networks, perceptrons, with_levels
from respike import SpikingNetwork, engines, methods, refine
from respike.errors import InvalidPlan
from respike.ir import Activation, Input, Linear, Network, ReLU
from respike.methods import Method
from respike.neurons import IntegrateFire, OffsetCorrected, ResidualSilenced
from respike.plan import Plan, Site
from respike.schedule import InputThenDrain, Steady

REHEARSING: list[Method[...]] = [methods.offset_spikes, methods.residual_potential]


def run(neuron: OffsetCorrected | ResidualSilenced, currents: list[float], start: float = 0.5) -> list[float]:
    state, spikes = neuron.start(torch.tensor([start])), []
    for current in currents:
        state, fired = neuron.step(state, torch.tensor([current]), torch.ones(1))  # type: ignore[assignment]
        spikes.append(float(fired))
    return spikes


def test_a_spike_that_was_sent_too_early_is_taken_off_the_next_start() -> None:
    """1.25 in front of -1.25 is nothing in all, but a spike in the rehearsal."""
    currents = [1.25, -1.25]
    assert run(OffsetCorrected(2), currents) == [1.0, 0.0]  # the residual is -0.5
    assert run(OffsetCorrected(2), currents * 2) == [1.0, 0.0, 0.0, 0.0]  # 0.5 - 1 + 1.25 is below the threshold
    assert run(ResidualSilenced(2), [*currents, 5.0, 5.0]) == [1.0, 0.0, 0.0, 0.0]


def test_a_spike_that_came_too_late_is_added_to_the_next_start() -> None:
    currents = [-1.0, 2.0, 1.0]  # 0.5 + 2 thresholds in all, of which one can be sent
    assert run(OffsetCorrected(3), currents) == [0.0, 1.0, 1.0]
    assert run(OffsetCorrected(2), [0.0, 2.0, 0.0, 0.0]) == [0.0, 1.0, 1.0, 0.0]
    assert run(ResidualSilenced(2), [0.0, 2.0, 0.0, 0.6]) == [0.0, 1.0, 0.0, 1.0]


@settings(max_examples=15, deadline=None)
@given(network=st.one_of(networks(), perceptrons()), steps=st.integers(1, 5), rehearsal=st.integers(1, 5))
def test_constant_currents_have_nothing_to_be_corrected(network: Network, steps: int, rehearsal: int) -> None:
    """The first layer's spikes after the rehearsal are those of neurons that never rehearsed, if none saturates."""
    network = with_levels(network, 4, top=100.0)
    plain = methods.quantised(network, steps=steps)
    batch = images(network, 4)
    first = network.activations[0].name
    wanted = engines.batched(network, plain, batch).spike_counts[first]
    for refined in (
        refine.calibrate_offsets(plain, rehearsal=rehearsal),
        refine.silence_residuals(plain, rehearsal=rehearsal),
    ):
        before = methods.quantised(network, steps=rehearsal)
        counts = engines.batched(network, refined, batch).spike_counts[first]
        rehearsed = engines.batched(network, before, batch).spike_counts[first]
        activation = network.values((batch,), [network.activations[0].inputs[0]])
        never_below = next(iter(activation.values())) >= 0
        assert torch.equal((counts - rehearsed)[never_below], wanted[never_below])


@pytest.mark.parametrize("method", REHEARSING, ids=lambda m: m.name)
def test_networks_with_levels_need_no_calibration_and_others_get_thresholds(method: Method[...]) -> None:
    network = with_levels(small(), 4)
    plan = method.plan(network, None, steps=4, rehearsal=3)
    assert (plan.schedule, plan.readout.after) == (Steady(7), 3)
    assert {float(torch.as_tensor(site.threshold).max()) for site in plan.sites.values()} == {1.5}
    plan = method.plan(small(), images(small(), 50), steps=4)
    plan.check(small())
    assert bool(torch.isfinite(SpikingNetwork(small(), plan)(images(small(), 3))).all())


def test_what_cannot_rehearse_is_refused_with_what_can() -> None:
    site = Site(1.0, neuron=IntegrateFire())
    plan = Plan({"relu": site}, InputThenDrain(3, 2))
    with pytest.raises(InvalidPlan, match="use a method with a steady schedule"):
        refine.calibrate_offsets(plan)
    refine.calibrate_offsets(plan.with_schedule(Steady(4)))
    with pytest.raises(InvalidPlan, match="silence_residuals changes integrate-and-fire neurons"):
        refine.silence_residuals(refine.signed(plan.with_schedule(Steady(4))))


def small(weight: Tensor | None = None) -> Network:
    weight = torch.tensor([[1.0, -0.5], [0.25, 1.0]]).double() if weight is None else weight
    nodes = (Input("x", (), (2,)), Linear("in", ("x",), weight), Activation("relu", ("in",), ReLU()))
    return Network((*nodes, Linear("out", ("relu",), torch.eye(2).double())), ("out",))


def test_snn_calibration_gives_every_channel_the_mean_input_of_the_network() -> None:
    network, batch = small(), images(small(), 60)
    deep = with_two(network)
    plan = methods.snn_calibration(deep, batch, steps=6)
    spiking = SpikingNetwork(deep, plan)
    first = respike.simulate(spiking, batch).spike_counts["relu"] * torch.as_tensor(plan.sites["relu"].value) / 6
    got = (first @ deep["middle"].weight.T).mean(0) + torch.as_tensor(plan.sites["second"].extra_current)  # type: ignore[union-attr]
    torch.testing.assert_close(got, deep.values((batch,), ["middle"])["middle"].mean(0))


def with_two(network: Network) -> Network:
    more = (
        Linear("middle", ("relu",), torch.tensor([[0.7, -0.4], [-0.3, 0.9]]).double()),
        Activation("second", ("middle",), ReLU()),
        Linear("out", ("second",), torch.eye(2).double()),
    )
    return Network((*network.nodes[:-1], *more), ("out",))


@settings(max_examples=25, deadline=None)
@given(value=st.floats(0.1, 10.0), updates=st.integers(1, 12))
def test_balanced_thresholds_follow_their_equation(value: float, updates: int) -> None:
    """For activations that are the same everywhere: 2 a after the first update, which nothing exceeds any more."""
    network = small(torch.eye(2).double())
    batch = torch.full((4, 2), value, dtype=torch.float64)
    plan = Plan({"relu": Site(1.0, initial_potential=0.5)}, Steady(4))
    found = refine.balance_thresholds(plan, network, batch, updates=updates, batch=4).sites["relu"]
    assert torch.as_tensor(found.threshold).tolist() == pytest.approx([2 * value] * 2)
    assert torch.as_tensor(found.initial_potential).tolist() == pytest.approx([value] * 2)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), updates=st.integers(1, 40))
def test_balanced_thresholds_as_the_paper_has_them_for_one_layer(seed: int, updates: int) -> None:
    network = small()
    batch = torch.rand(12, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    activations = torch.relu(batch @ torch.tensor([[1.0, -0.5], [0.25, 1.0]]).double().T)
    thresholds = torch.zeros(2).double()
    for number in range(updates):
        part = activations[4 * (number % 3) :][:4]
        thresholds = thresholds + 2 * (part - thresholds).clamp(min=0).mean(0)
    plan = methods.local_threshold_balancing(network, batch, steps=8)
    assert plan.readout.after == 0
    found = refine.balance_thresholds(plan, network, batch, updates=updates, batch=4).sites["relu"].threshold
    torch.testing.assert_close(torch.as_tensor(found), thresholds)
