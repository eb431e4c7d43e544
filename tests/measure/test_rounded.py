"""The baseline: the network with activations rounded to the levels of its spiking neurons."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import images, networks, perceptrons, with_levels
from respike import SpikingNetwork, measure, methods
from respike.ir import Activation, Input, Linear, Network, ReLU, SiLU
from respike.measure.rounded import outputs_and_rounded
from respike.plan import Plan, Site
from respike.schedule import Steady

LAYERED = st.one_of(networks(), perceptrons())


@pytest.mark.filterwarnings("ignore::respike.errors.DeadLayerWarning")
@settings(max_examples=15, deadline=None)
@given(network=LAYERED, steps=st.integers(1, 6), per_channel=st.booleans())
def test_few_spikes_in_one_pass_are_the_baseline(network: Network, steps: int, per_channel: bool) -> None:
    batch = images(network, 8)
    plan = methods.few_spikes(network, batch, steps=steps, per_channel=per_channel, correct_bias=False)
    torch.testing.assert_close(outputs_and_rounded(network, plan, batch)[1], SpikingNetwork(network, plan)(batch))


@pytest.mark.filterwarnings("ignore::respike.errors.DeadLayerWarning")
@settings(max_examples=10, deadline=None)
@given(network=perceptrons(), steps=st.integers(2, 6))
def test_neurons_of_the_identity_round_in_both_directions(network: Network, steps: int) -> None:
    batch = images(network, 8) - 0.5
    plan = methods.every_edge(network, batch, steps=steps, correct_bias=False)
    _, rounded = outputs_and_rounded(plan.on(network), plan, batch)
    torch.testing.assert_close(rounded, SpikingNetwork(network, plan)(batch))


@settings(max_examples=15, deadline=None)
@given(network=LAYERED, steps=st.integers(1, 6))
def test_beside_them_stand_the_outputs_of_the_network(network: Network, steps: int) -> None:
    """Bit for bit, and what is rounded has changed nothing of them."""
    batch = images(network, 8)
    plan = Plan({node.name: Site(1.0) for node in network.activations}, Steady(steps))
    assert torch.equal(outputs_and_rounded(network, plan, batch)[0], network(batch))


@settings(max_examples=15, deadline=None)
@given(network=LAYERED, levels=st.integers(1, 9), signed=st.booleans())
def test_levels_that_a_network_has_are_its_own(network: Network, levels: int, signed: bool) -> None:
    network = with_levels(network, levels)
    plan = methods.quantised(network, signed=signed)
    batch = images(network, 8)
    torch.testing.assert_close(outputs_and_rounded(network, plan, batch)[1], network(batch))


def test_in_steps_it_rounds_to_the_nearest_and_saturates() -> None:
    nodes = (Input("x", (), (1,)), Linear("in", ("x",), torch.ones(1, 1)), Activation("relu", ("in",), ReLU()))
    network = Network((*nodes, Linear("out", ("relu",), torch.ones(1, 1))), ("out",))
    plan = Plan({"relu": Site(2.0)}, Steady(4))  # 0, 0.5, 1, 1.5 and 2
    batch = torch.tensor([[-1.0], [0.2], [0.3], [1.3], [7.0]])
    found = outputs_and_rounded(network, plan, batch)[1]
    assert found is not None
    assert found.flatten().tolist() == [0.0, 0.0, 0.5, 1.5, 2.0]


def test_the_report_has_it_beside_the_conversion() -> None:
    network = Network(
        (
            Input("x", (), (2,)),
            Linear("in", ("x",), torch.eye(2)),
            Activation("relu", ("in",), ReLU()),
            Linear("out", ("relu",), torch.eye(2)),
        ),
        ("out",),
    )
    batch = torch.tensor([[0.4, 0.3], [0.9, 0.6], [0.2, 0.9]])
    plan = Plan({"relu": Site(1.0)}, Steady(1))
    report = measure(SpikingNetwork(network, plan), (batch, torch.tensor([0, 1, 1])))
    # One level: (0, 0), (1, 1), (0, 1); of equal outputs the first counts.
    assert report.rounded_accuracy == pytest.approx(2 / 3)
    assert "rounded to the same levels 66.67 %" in str(report)


def test_fitted_neurons_have_no_even_levels() -> None:
    nodes = (Input("x", (), (2,)), Linear("in", ("x",), torch.eye(2)), Activation("act", ("in",), SiLU()))
    network = Network((*nodes, Linear("out", ("act",), torch.eye(2))), ("out",))
    batch = torch.rand(20, 2)
    plan = methods.few_spikes(network, batch, steps=4)
    assert outputs_and_rounded(network, plan, batch)[1] is None
    assert measure(SpikingNetwork(network, plan), batch).rounded_accuracy is None
