"""The count engine: exact where its closed form is, an independent program everywhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import Builder, images, networks, perceptrons
from respike.coding import IntegrateEncoder
from respike.cost import fan_outs
from respike.engines import batched
from respike.engines.count import count
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import Activation, Linear, Network, evaluate
from respike.neurons import Above, AtOrAbove, Firing, IntegrateFire, Neuron, SignedIntegrateFire, ToValue
from respike.plan import MomentaryMax, Plan, Site, SpikeCount
from respike.record import INPUT, OUTPUT, Probe
from respike.schedule import InputThenDrain, Steady

NEURONS: list[Neuron] = [IntegrateFire(ToValue(0.0)), SignedIntegrateFire()]


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    currents=st.lists(st.integers(-40, 80), min_size=1, max_size=8),
    steps=st.integers(1, 40),
    initial=st.integers(0, 15),
    extra=st.integers(-3, 5),
    fires=st.sampled_from([AtOrAbove(), Above()]),
)
def test_the_first_layer_is_exact_under_constant_current(
    currents: list[int], steps: int, initial: int, extra: int, fires: Firing
) -> None:
    """In dyadic numbers, for 0 ≤ v0 < theta: counts, potentials and the readout of what is read directly."""
    builder = Builder((len(currents),), 0)
    eye = torch.eye(len(currents), dtype=torch.float64)
    builder.put(Linear("in", ("x",), eye, torch.full((len(currents),), 0.125, dtype=torch.float64)))
    builder.relu()
    builder.put(Linear("out", (builder.last,), eye))
    network = Network(tuple(builder.nodes), ("out",))
    name = network.activations[0].name
    site = Site(0.5, 0.25, initial_potential=initial / 32, extra_current=extra / 32, neuron=IntegrateFire(fires=fires))
    plan = Plan({name: site}, Steady(steps))
    batch = torch.tensor([currents], dtype=torch.float64) / 32
    probe = Probe(potentials=[name], fan_out=fan_outs(network))
    expected, found = batched(network, plan, batch, probe), count(network, plan, batch, probe)
    assert torch.equal(expected.spike_counts[name], found.spike_counts[name])
    assert torch.equal(expected.potentials[name], found.potentials[name])
    assert torch.equal(expected.outputs, found.outputs)
    assert float(expected.spikes_per_step[name].sum()) == float(found.spikes_per_step[name])
    assert float(expected.operations_per_step[name].sum()) == float(found.operations_per_step[name])


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=perceptrons(), steps=st.integers(1, 40), eta=st.sampled_from([0.0, 0.5]))
def test_deeper_layers_are_the_published_formula(network: Network, steps: int, eta: float) -> None:
    """`N = clip(floor((W · N_in + T · b)⁺ / V_thr + eta), 0, T)`, written in numpy on counts."""
    theta = 0.7
    site = Site(theta, initial_potential=eta * theta)
    plan = Plan({node.name: site for node in network.activations}, Steady(steps), readout=SpikeCount(site))
    batch = images(network, 5)
    found = count(network, plan, batch)
    delivered = steps * batch.numpy()
    names = iter([*(node.name for node in network.activations), OUTPUT])
    for layer in [node for node in network.nodes if isinstance(node, Linear)]:
        bias = 0.0 if layer.bias is None else layer.bias.numpy()
        total = delivered @ layer.weight.numpy().T + steps * bias
        spikes = np.clip(np.floor(np.maximum(total, 0) / theta + eta), 0, steps)
        assert np.array_equal(found.spike_counts[next(names)].numpy(), spikes)
        delivered = theta * spikes
    assert np.allclose(found.outputs.numpy(), delivered)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=networks(), seed=st.integers(0, 5))
def test_on_any_network_it_is_the_network_with_quantised_activations(network: Network, seed: int) -> None:
    """On mean values over 8 steps, with pools and batch norm as they are: exact powers of two, so floors agree."""
    site = Site(0.6, spike_value=0.5, initial_potential=0.2, extra_current=0.01)
    plan = Plan({node.name: site for node in network.activations}, Steady(8))
    batch = images(network, 4, seed)
    found = count(network, plan, batch)
    values: dict[str, torch.Tensor] = {"x": batch}
    for node in network.nodes[1:]:
        inputs = [values[name] for name in node.inputs]
        if isinstance(node, Activation):
            spikes = ((0.2 + 8 * (inputs[0] + 0.01)) / 0.6).floor().clamp(0, 8)
            assert torch.equal(found.spike_counts[node.name], spikes), node.name
            values[node.name] = spikes * 0.5 / 8
        else:
            values[node.name] = evaluate(node, inputs)
    assert found.outputs_over_time.shape == (1, 4, 4)
    assert torch.allclose(found.outputs / 8, values["fc"])


def test_spiking_input_is_counted_as_the_batched_engine_counts_it() -> None:
    network = _network()
    plan = replace(_plan(network), coding=IntegrateEncoder())
    probe = Probe(fan_out=fan_outs(network))
    batch = images(network, 3)
    expected, found = batched(network, plan, batch, probe), count(network, plan, batch, probe)
    assert torch.equal(expected.spike_counts[INPUT], found.spike_counts[INPUT])
    assert float(expected.operations_per_step[INPUT].sum()) == float(found.operations_per_step[INPUT])


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda n: type(n).__name__)
def test_neurons_that_depend_on_the_order_of_spikes_are_refused(neuron: Neuron) -> None:
    network = _network()
    name = network.activations[0].name
    with pytest.raises(InvalidPlan, match=f"layer {name!r}.*reset by subtraction.*batched engine"):
        count(network, Plan({name: Site(0.5, neuron=neuron)}, Steady(3)), images(network, 2))
    output = replace(_plan(network), readout=SpikeCount(Site(0.5, neuron=neuron)))
    with pytest.raises(InvalidPlan, match="layer 'output'"):
        count(network, output, images(network, 2))


def test_schedules_pools_and_probes_with_time_are_refused() -> None:
    network = _network("maxpool")
    batch = images(network, 2)
    with pytest.raises(InvalidPlan, match="Steady schedule, got InputThenDrain"):
        count(network, _plan(network).with_schedule(InputThenDrain(2, 2)), batch)
    with pytest.raises(InvalidPlan, match="MomentaryMax use the batched engine"):
        count(network, replace(_plan(network), max_pooling=MomentaryMax()), batch)
    with pytest.raises(InvalidOption, match="has no steps"):
        count(network, _plan(network), batch, Probe(spikes=[network.activations[0].name]))


def _network(*blocks: str) -> Network:
    builder = Builder((2, 6, 5), 0)
    builder.conv(3)
    builder.relu()
    for block in blocks:
        builder.block(block)
    return builder.network()


def _plan(network: Network) -> Plan:
    return Plan({node.name: Site(0.5) for node in network.activations}, Steady(6))
