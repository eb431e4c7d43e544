"""A network of quantised activations becomes a spiking one that computes the same, where its code allows that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import Builder, images, networks, perceptrons, with_levels
from respike import SpikingNetwork, engines, methods
from respike.cost import depth
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import Activation, Linear, Network, QuantisedReLU
from respike.neurons import FewSpikes, LevelSpikes


def perceptron() -> Network:
    builder = Builder((5,), 0)
    for inputs in (5, 6):
        builder.put(Linear(builder.name("fc"), (builder.last,), builder.random(6, inputs) / 2, None))
        builder.relu()
    builder.put(Linear("out", (builder.last,), builder.random(3, 6), None))
    return Network(tuple(builder.nodes), ("out",))


LAYERED = st.one_of(networks(), perceptrons())


@settings(max_examples=30, deadline=None)
@given(network=LAYERED, levels=st.integers(1, 20), offset=st.sampled_from([0.0, 0.25, 0.5]))
def test_layer_by_layer_it_is_the_quantised_network(network: Network, levels: int, offset: float) -> None:
    network = with_levels(network, levels, offset=offset)
    plan = methods.quantised(network, layerwise=True)
    assert plan.schedule.window == levels.bit_length()  # type: ignore[union-attr]
    batch = images(network, 5)
    for engine in (engines.few_spikes, engines.batched, engines.reference):
        torch.testing.assert_close(engine(network, plan, batch).outputs, network(batch), rtol=0, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(network=LAYERED, levels=st.integers(1, 5), more=st.integers(0, 4))
def test_drained_signed_neurons_are_the_quantised_network(network: Network, levels: int, more: int) -> None:
    """In any order of the spikes, and in any number of steps that is not below the levels."""
    network = with_levels(network, levels)
    drain = (levels + 1) * depth(network)
    plan = methods.quantised(network, steps=levels + more, signed=True, drain_steps=drain)
    batch = images(network, 4)
    outputs = SpikingNetwork(network, plan)(batch)
    torch.testing.assert_close(outputs, network(batch), rtol=0, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(network=LAYERED, levels=st.integers(1, 9))
def test_in_as_many_steps_as_levels_the_first_layer_sends_the_trained_values(network: Network, levels: int) -> None:
    network = with_levels(network, levels)
    first, batch = network.activations[0].name, images(network, 4)
    counts = engines.batched(network, methods.quantised(network), batch).spike_counts[first]
    wanted = network.values((batch,), [first])[first]
    torch.testing.assert_close(counts * 1.5 / levels, wanted, rtol=0, atol=1e-9)


@given(levels=st.integers(1, 300))
def test_levels_are_met_with_the_fewest_steps_of_this_kind(levels: int) -> None:
    neuron = LevelSpikes(levels)
    potentials = torch.arange(-2, levels + 3).double()
    _, amplitudes, delivered = neuron.fire_window(potentials, torch.ones(()).double())
    assert torch.equal(delivered, potentials.clamp(0, levels))
    assert len(amplitudes) == levels.bit_length()
    if levels & (levels + 1) == 0:
        assert neuron.coefficients == FewSpikes(levels.bit_length()).coefficients


REFUSED: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"steps": 3, "signed": True}, "has 5 levels, which 3 steps .* use 5 or more", {"steps": 5, "signed": True}),
    ({"drain_steps": 4}, "use signed", {"drain_steps": 4, "signed": True}),
    ({"layerwise": True, "steps": 4}, "leave steps, signed", {"layerwise": True}),
]


@pytest.mark.parametrize(("wrong", "reason", "right"), REFUSED)
def test_what_does_not_fit_is_refused_with_what_does(wrong: dict[str, Any], reason: str, right: dict[str, Any]) -> None:
    network = with_levels(perceptron())
    with pytest.raises(InvalidOption, match=reason):
        methods.quantised(network, **wrong)
    methods.quantised(network, **right).check(network)


@pytest.mark.parametrize("quantised", [(), (0,), (1,)])
def test_networks_without_levels_are_refused_and_calibrated_takes_them(quantised: tuple[int, ...]) -> None:
    """Those, too, of which only some activations have levels."""
    network = perceptron()
    names = [network.activations[number].name for number in quantised]
    nodes = (
        replace(node, function=QuantisedReLU(1.5, 5)) if isinstance(node, Activation) and node.name in names else node
        for node in network.nodes
    )
    network = replace(network, nodes=tuple(nodes))
    assert not methods.quantised.suits(network)
    with pytest.raises(InvalidPlan, match=r"'\w+' computes ReLU.*use the method calibrated"):
        methods.quantised(network)
    methods.calibrated(network, images(network, 20)).check(network)


@pytest.mark.parametrize("convert", [methods.max_norm, methods.calibrated, methods.few_spikes], ids=lambda m: m.name)
def test_other_methods_take_quantised_networks_as_clipped_ones(convert: Callable[..., Any]) -> None:
    network = with_levels(perceptron(), 15)
    batch = images(network, 30)
    plan = convert(network, batch, steps=8)
    assert all(float(torch.as_tensor(site.value).max()) <= 1.5 for site in plan.sites.values())
    assert bool(torch.isfinite(SpikingNetwork(network, plan)(batch)).all())
