"""Plans: what does not fit is refused, by the layer's name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mixers import TOKENS, WIDTH, given_to, mixer
from networks import Builder
from respike import SpikingNetwork, methods
from respike.coding import Bernoulli
from respike.errors import BiasScaleWarning, InvalidNetwork, InvalidPlan
from respike.ir import Activation, GroupNorm, Input, Linear, Network, ReLU
from respike.neurons import FewSpikes, IntegrateFire, ToValue
from respike.plan import Plan, Site
from respike.schedule import InputThenDrain, Layerwise, Steady


def network(ceiling: float = float("inf")) -> Network:
    builder = Builder((2, 4, 4), 0)
    builder.conv(3)
    builder.put(Activation("relu", (builder.last,), ReLU(ceiling)))
    return builder.network()


def test_sites_must_be_those_of_the_network() -> None:
    with pytest.raises(InvalidPlan, match="no site for relu"):
        SpikingNetwork(network(), Plan({}, Steady(3)))
    with pytest.raises(InvalidPlan, match="sites for other"):
        SpikingNetwork(network(), Plan({"relu": Site(1.0), "other": Site(1.0)}, Steady(3)))


@pytest.mark.parametrize(("groups", "told"), [(3, "InstanceNorm"), (1, "GroupNorm")])
def test_norms_are_called_as_their_writers_call_them(groups: int, told: str) -> None:
    builder = Builder((2, 4, 4), 0)
    builder.conv(3)
    builder.put(GroupNorm("norm", (builder.last,), groups, None, None, 1e-5))
    with pytest.raises(InvalidPlan, match=rf"no spiking neurons compute norm \({told}\)"):
        SpikingNetwork(builder.network(), Plan({}, Steady(3)))


def test_channels_must_fit() -> None:
    SpikingNetwork(network(), Plan({"relu": Site(torch.ones(3))}, Steady(3)))
    with pytest.raises(InvalidPlan, match="'relu' has 3 channels, its site has numbers for 4"):
        SpikingNetwork(network(), Plan({"relu": Site(torch.ones(4))}, Steady(3)))


@pytest.mark.parametrize(
    "numbers",
    [
        {"threshold": 0.0},
        {"threshold": torch.tensor([1.0, -1.0])},
        {"threshold": float("nan")},
        {"threshold": torch.ones(2, 2)},
        {"threshold": 1.0, "spike_value": 0.0},
        {"threshold": 1.0, "initial_potential": float("inf")},
        {"threshold": 1.0, "neuron": IntegrateFire(ToValue(1.0))},
        {"threshold": 1.0, "transient": torch.ones(3)},
        {"threshold": 1.0, "transient": torch.full((2, 3), float("nan"))},
        {"threshold": 1.0, "transient": torch.ones(2, 3), "neuron": FewSpikes(4)},
        {"threshold": 1.0, "transient": torch.ones(2, 1, 3)},
    ],
)
def test_numbers_that_no_neuron_can_have(numbers: dict[str, object]) -> None:
    with pytest.raises(InvalidPlan):
        Site(**numbers)  # type: ignore[arg-type]


def test_transients_that_do_not_fit_the_network_or_the_schedule() -> None:
    site = Site(1.0, transient=torch.ones(2, 3))
    SpikingNetwork(network(), Plan({"relu": site}, Steady(3)))
    with pytest.raises(InvalidPlan, match="'relu' has 3 channels, its transient has numbers for 4"):
        SpikingNetwork(network(), Plan({"relu": Site(1.0, transient=torch.ones(2, 4))}, Steady(3)))
    SpikingNetwork(network(), Plan({"relu": site}, InputThenDrain(3, 3)))
    tokens = mixer(["linear"])
    plan = methods.differential(tokens, given_to(tokens, 4), steps=2)
    for shape, fits in (((2, 1, WIDTH), True), ((2, TOKENS, WIDTH), True), ((2, 2, WIDTH), False), ((2, WIDTH), False)):
        moved = replace(plan.sites["0.norm@spikes"], transient=torch.ones(shape))
        changed = replace(plan, sites={**plan.sites, "0.norm@spikes": moved})
        if fits:
            changed.check(tokens)
        else:
            with pytest.raises(InvalidPlan, match=r"'0\.norm@spikes' has"):
                changed.check(tokens)
    with pytest.raises(InvalidPlan, match="'relu' has a transient, and a layerwise schedule no steps for it"):
        SpikingNetwork(network(), Plan({"relu": site}, Layerwise(3)))


def test_a_clipped_activation_cannot_drain_or_exceed_its_clip() -> None:
    plan = Plan({"relu": Site(2.0)}, Steady(5))
    SpikingNetwork(network(ceiling=6.0), plan)
    with pytest.raises(InvalidPlan, match="clips at 6: while draining"):
        SpikingNetwork(network(ceiling=6.0), replace(plan, schedule=InputThenDrain(3, 3)))
    with pytest.raises(InvalidPlan, match="clips at 6"):
        SpikingNetwork(network(ceiling=6.0), Plan({"relu": Site(7.0)}, Steady(5)))


def test_a_clipped_activation_saturates_at_its_clip() -> None:
    nodes = (
        Input("x", (), (1,)),
        Activation("relu6", ("x",), ReLU(6.0)),
        Linear("out", ("relu6",), torch.ones(1, 1)),
    )
    spiking = SpikingNetwork(Network(nodes, ("out",)), Plan({"relu6": Site(6.0)}, Steady(10)))
    assert spiking(torch.tensor([[100.0]])).item() == pytest.approx(6.0)


def test_a_coding_that_scales_the_input_of_a_network_with_biases_is_warned_of() -> None:
    plan = Plan({"relu": Site(1.0)}, Steady(3), Bernoulli(rate=200.0))
    with pytest.warns(BiasScaleWarning, match=r"0\.2 times the image"):
        SpikingNetwork(network(), plan)
    SpikingNetwork(network(), replace(plan, coding=Bernoulli(rate=200.0, spike_value=5.0)))


def test_a_graph_must_be_whole() -> None:
    entry = Input("x", (), (2,))
    with pytest.raises(InvalidNetwork, match="two nodes are named 'x'"):
        Network((entry, entry), ("x",))
    with pytest.raises(InvalidNetwork, match="reads 'y'"):
        Network((entry, Activation("relu", ("y",), ReLU())), ("relu",))
    with pytest.raises(InvalidNetwork, match=r"layer 'fc' \(Linear\) cannot take \[2\]"):
        Network((entry, Linear("fc", ("x",), torch.ones(3, 5))), ("fc",))
    with pytest.raises(InvalidNetwork, match="output 'y'"):
        Network((entry,), ("y",))
