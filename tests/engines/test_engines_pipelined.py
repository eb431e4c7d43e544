"""Pipelined execution: other images under way change nothing, and the throughput is what the paper claims."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engines import golden
from networks import computing, images, networks, perceptrons
from neuron_samples import WINDOWED
from respike.cost.latency import depth, depths, interval, latency
from respike.engines.batched import batched
from respike.engines.pipelined import PipelinedRun, pipelined
from respike.engines.reference import reference
from respike.errors import InvalidData, InvalidOption, InvalidPlan
from respike.ir import (
    Activation,
    Add,
    ElementwiseAffine,
    Input,
    Linear,
    MaxPool,
    Multiply,
    Network,
    Node,
    Pooling,
    ReLU,
    Reshape,
    Sigmoid,
)
from respike.neurons import Above, AtOrAbove, FewSpikes, FittedFewSpikes, Neuron
from respike.plan import Plan, Site
from respike.record import Probe
from respike.schedule import Layerwise, Steady

STEPS = 3


def few_spikes(network: Network, unit: float = 0.125, window: int = STEPS) -> Plan:
    """Units that binary fractions hold, half a unit at the start, and an extra current."""
    site = Site(unit, initial_potential=unit / 2, extra_current=0.03125, neuron=FewSpikes(STEPS))
    return Plan({node.name: site for node in network.activations}, Layerwise(window))


def one_by_one(network: Network, plan: Plan, batch: Tensor) -> Tensor:
    return torch.cat([pipelined(network, plan, image.unsqueeze(0)).outputs for image in batch])


@pytest.mark.parametrize("name", golden.FEW_SPIKES)
def test_the_golden_spikes_and_readout_exactly(name: str) -> None:
    case = golden.read(name)
    run = pipelined(case.network, case.plan, case.images)
    for site, spikes in case.spikes.items():
        assert torch.equal(run.spike_counts[site], spikes.sum(0)), site
    assert torch.equal(run.outputs, case.readout)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    network=st.one_of(networks(), perceptrons()), count=st.integers(1, 5), window=st.sampled_from([STEPS, STEPS + 2])
)
def test_other_images_under_way_change_not_one_bit(network: Network, count: int, window: int) -> None:
    plan = few_spikes(network, window=window)
    batch = images(network, count)
    run = pipelined(network, plan, batch)
    expected = batched(network, plan, batch)
    assert torch.equal(run.outputs, one_by_one(network, plan, batch))
    assert torch.allclose(run.outputs, expected.outputs, atol=1e-9)
    for name, counts in expected.spike_counts.items():
        assert torch.equal(run.spike_counts[name], counts), name
    assert torch.equal(run.outputs, pipelined(network, plan, batch, interval=window).outputs)


@settings(max_examples=5, derandomize=True, deadline=None)
@given(network=st.one_of(networks(), perceptrons()))
@pytest.mark.parametrize("neuron", WINDOWED, ids=str)
def test_neurons_of_every_kind_can_be_pipelined(neuron: Neuron, network: Network) -> None:
    network = computing(neuron.computes, network)
    site = Site(0.125, initial_potential=0.0625, neuron=neuron)
    plan = Plan({node.name: site for node in network.activations}, Layerwise(len(neuron.worth)))
    batch = images(network, 3)
    run, expected = pipelined(network, plan, batch), reference(network, plan, batch)
    assert torch.allclose(run.outputs, expected.outputs, atol=1e-9)
    for name, counts in expected.spike_counts.items():
        assert torch.equal(run.spike_counts[name], counts), name


@settings(max_examples=25, derandomize=True, deadline=None)
@given(network=networks(), every=st.integers(STEPS, 4 * STEPS))
def test_latency_throughput_and_potentials(network: Network, every: int) -> None:
    """One image every 2 K steps, each K steps a population; a value is held from first charge until it has fired."""
    plan = few_spikes(network)
    batch = images(network, 2 * depth(network) + 2)
    run = pipelined(network, plan, batch)
    assert run.interval == interval(network, plan) == 2 * STEPS
    assert run.latency == latency(network, plan) == STEPS * depth(network)
    assert run.finished_at == tuple(run.latency + 2 * STEPS * number for number in range(len(batch)))
    assert_holds_what_it_needs(network, run)
    assert_holds_what_it_needs(network, pipelined(network, plan, batch, interval=every))


def assert_holds_what_it_needs(network: Network, run: PipelinedRun) -> None:
    """Values alive for so many steps, a new one every interval: that many at one time, rounded up."""
    found = depths(network)
    values: dict[str, str] = {
        node.name: node.inputs[0] for node in network.nodes if isinstance(node, Activation | Pooling)
    }
    for name, value in (values | {"output": network.outputs[0]}).items():
        first = min((found[source] for source in sources(network, value) if found[source]), default=math.inf)
        fires = name in found and isinstance(network[name], Activation)
        alive = STEPS * (found[value] - min(first, found[value] + 1) + 1 + fires)
        if alive:
            assert run.potentials[name] == math.ceil(alive / run.interval), name


def sources(network: Network, name: str) -> set[str]:
    """The populations that charge a node directly. What a pool hands on comes with the charge of the next window."""
    node = network[name]
    if isinstance(node, Activation):
        return {name}
    if isinstance(node, Pooling | Input):
        return set()
    return set().union(*(sources(network, before) for before in node.inputs))


def test_a_network_is_a_pipeline_of_images_in_flight() -> None:
    """While one population fires for an image, another fires for the next: a real overlap, not one after the other."""
    network = chain(6)
    plan = few_spikes(network)
    run = pipelined(network, plan, images(network, 4))
    alone = pipelined(network, plan, images(network, 4), interval=latency(network, plan))
    assert (run.finished_at[-1], alone.finished_at[-1]) == (6 * STEPS + 3 * 2 * STEPS, 4 * 6 * STEPS)
    assert torch.equal(run.outputs, alone.outputs)
    assert set(run.potentials.values()) == {1}  # a chain needs the membrane alone


def chain(length: int) -> Network:
    generator = torch.Generator().manual_seed(length)
    nodes: list[Node] = [Input("x", (), (4,))]
    for number in range(length):
        weight = torch.randn(4, 4, generator=generator, dtype=torch.float64)
        nodes += [
            Linear(f"fc{number}", (nodes[-1].name,), weight),
            Activation(f"relu{number}", (f"fc{number}",), ReLU()),
        ]
    return Network((*nodes, Linear("out", (nodes[-1].name,), torch.ones(2, 4, dtype=torch.float64))), ("out",))


@pytest.mark.parametrize(("reach", "held"), [(0, 1), (1, 2), (2, 2), (3, 3), (4, 3)])
def test_a_shortcut_past_populations_needs_accumulators(reach: int, held: int) -> None:
    """What the first population sends past `reach` others waits for them: `reach + 2` windows, one image every two."""
    network = chain(6)
    last = f"fc{reach + 1}"
    nodes: list[Node] = []
    for node in network.nodes:
        if isinstance(node, Activation) and node.inputs == (last,):
            nodes.append(Add("add", (last, "relu0")))
            node = replace(node, inputs=("add",))
        nodes.append(node)
    network = replace(network, nodes=tuple(nodes))
    run = pipelined(network, few_spikes(network), images(network, 8))
    assert run.potentials == {f"relu{n}": held if n == reach + 1 else 1 for n in range(6)} | {"output": 1}


def gated() -> Network:
    """A max pool and a product of two signals of different depth."""
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randint(-8, 9, (8, 8), generator=generator).double() / 16 for _ in range(3)]
    nodes: tuple[Node, ...] = (
        Input("x", (), (8,)),
        Linear("fc0", ("x",), weights[0], torch.ones(8, dtype=torch.float64) / 4),
        Reshape("rows", ("fc0",), (1, 8)),
        MaxPool("pool", ("rows",), (3,), (1,), (1,), (1,)),
        Reshape("flat", ("pool",), (8,)),
        Activation("relu0", ("flat",), ReLU()),
        Linear("fc1", ("relu0",), weights[1], torch.ones(8, dtype=torch.float64) / 8),
        Activation("gate", ("fc1",), Sigmoid()),
        Multiply("product", ("gate", "relu0")),
        Linear("fc2", ("product",), weights[2]),
        Activation("analog", ("fc2",), Sigmoid()),
        Linear("fc3", ("analog",), weights[0]),
        Activation("relu1", ("fc3",), ReLU()),
        ElementwiseAffine("out", ("relu1",), torch.tensor(0.5).double(), torch.tensor(0.25).double()),
    )
    return Network(nodes, ("out",))


@pytest.mark.parametrize("fires", [AtOrAbove(), Above()], ids=["at or above", "above"])
def test_pools_products_and_fitted_neurons(fires: AtOrAbove | Above) -> None:
    network = gated()
    fitted = FittedFewSpikes(Sigmoid(), (1.0, 0.5), (1.0, -0.5), (0.5, 0.25), -4, 4, 0.1)
    relu = Site(torch.linspace(0.125, 0.5, 8).double(), spike_value=0.25, neuron=FewSpikes(STEPS, fires))
    sites = {"relu0": relu, "relu1": relu, "gate": Site(1.0, neuron=fitted)}
    plan = Plan(sites, Layerwise(STEPS), analog=("product", "analog"))
    batch = images(network, 5)
    run = pipelined(network, plan, batch)
    expected = batched(network, plan, batch, Probe())
    assert torch.equal(run.outputs, one_by_one(network, plan, batch))
    assert torch.allclose(run.outputs, expected.outputs, atol=1e-12)
    assert all(torch.equal(run.spike_counts[name], expected.spike_counts[name]) for name in sites)
    assert run.latency == 3 * STEPS == latency(network, plan)  # relu0, gate, relu1; what is analog takes no time
    assert run.potentials["product"] == 2  # the gate's share and that of relu0, which waits one window for it


def recurrent() -> Network:
    """Two time steps of the same neurons."""
    weight = torch.eye(4, dtype=torch.float64) / 2
    nodes: tuple[Node, ...] = (
        Input("x", (), (4,)),
        Activation("h1", ("x",), ReLU(), population="h"),
        Linear("fc", ("h1",), weight),
        Activation("between", ("fc",), ReLU()),
        Activation("h2", ("between",), ReLU(), population="h"),
    )
    return Network(nodes, ("h2",))


def test_recurrent_neurons_are_not_asked_to_fire_for_two_images_at_once() -> None:
    """The neurons fire in the windows 1 and 3, so an image every two windows would need them twice."""
    network = recurrent()
    plan = few_spikes(network)
    batch = images(network, 4)
    assert (latency(network, plan), interval(network, plan)) == (3 * STEPS, 3 * STEPS)
    assert torch.equal(pipelined(network, plan, batch).outputs, one_by_one(network, plan, batch))
    with pytest.raises(InvalidOption, match="'h' would fire for images 0 and 1 at once: take an interval of 9 steps"):
        pipelined(network, plan, batch, interval=2 * STEPS)


def test_what_cannot_be_pipelined_is_refused() -> None:
    network = chain(2)
    plan, batch = few_spikes(network), images(network, 2)
    with pytest.raises(InvalidOption, match="'relu0' would fire for images 0 and 1 at once: take an interval of 6"):
        pipelined(network, plan, batch, interval=STEPS - 1)
    with pytest.raises(InvalidOption, match="at least 1 step"):
        pipelined(network, plan, batch, interval=0)
    every_step = Plan({name: Site(0.5, neuron=FewSpikes(1)) for name in plan.sites}, Layerwise(1))
    run = pipelined(network, every_step, batch, interval=1)
    assert torch.equal(run.outputs, one_by_one(network, every_step, batch))
    with pytest.raises(InvalidData, match="at least one image"):
        pipelined(network, plan, batch[:0])
    stepped = Plan({name: Site(1.0) for name in plan.sites}, Steady(7), method="max_norm")
    assert (latency(network, stepped), interval(network, stepped)) == (7, 7)
    with pytest.raises(InvalidPlan, match="not max_norm: use few_spikes"):
        pipelined(network, stepped, batch)
