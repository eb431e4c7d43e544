"""Unit spikes and thresholds change no spike: gauge invariance."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from networks import Builder, images, networks, perceptrons
from respike import engines
from respike.coding import Bernoulli, Coding, ConstantCurrent, IntegrateEncoder
from respike.errors import InvalidPlan
from respike.ir import (
    Activation,
    Add,
    BatchNorm,
    Conv,
    ElementwiseAffine,
    Input,
    Linear,
    Network,
    Node,
    Pad,
    Permute,
    QuantisedReLU,
    ReLU,
    Reshape,
    Slice,
)
from respike.lower import unit_spikes
from respike.neurons import Above, AtOrAbove, IntegrateFire, Neuron, SignedIntegrateFire, Subtract, ToValue
from respike.plan import AccumulatedMax, MomentaryMax, Plan, Quantity, Site, SpikeCount
from respike.record import INPUT, OUTPUT, Probe
from respike.schedule import InputThenDrain, Schedule, Steady

NEURONS: list[Neuron] = [
    IntegrateFire(Subtract(), AtOrAbove()),
    IntegrateFire(Subtract(), Above()),
    IntegrateFire(ToValue(0.0), AtOrAbove()),
    SignedIntegrateFire(),
]
CODINGS: list[Coding] = [ConstantCurrent(), Bernoulli(rate=600.0, seed=3), IntegrateEncoder()]
SCHEDULES: list[Schedule] = [Steady(7), InputThenDrain(4, 5)]


def dyadic(channels: int, seed: int, per_channel: bool) -> Quantity:
    """Powers of two: multiplying with them is exact."""
    generator = torch.Generator().manual_seed(seed)
    exponents = torch.randint(-3, 2, (channels if per_channel else 1,), generator=generator).double()
    return 2.0**exponents if per_channel else 2.0 ** float(exponents)


def dyadic_plan(network: Network, schedule: Schedule, neuron: Neuron, seed: int, per_channel: bool) -> Plan:
    def site(number: int, name: str) -> Site:
        channels = network.shapes[name][0]
        threshold, value = (dyadic(channels, seed + 2 * number + i, per_channel) for i in (0, 1))
        return Site(threshold, value, 0.0625, 0.015625, neuron)

    return Plan({node.name: site(number, node.name) for number, node in enumerate(network.activations)}, schedule)


def assert_unit(network: Network, plan: Plan) -> None:
    for site in plan.sites.values():
        assert (site.threshold, site.value) == (1.0, 1.0)
    plan.check(network)


def assert_same(network: Network, plan: Plan, lowered: tuple[Network, Plan], batch: Tensor, unit: float = 1.0) -> None:
    probe = Probe(spikes=(*plan.sites, INPUT, OUTPUT))
    for engine in engines.batched, engines.reference:
        expected, found = engine(network, plan, batch, probe), engine(*lowered, batch / unit, probe)
        assert expected.spikes.keys() == found.spikes.keys()
        for name in expected.spikes:
            assert torch.equal(expected.spikes[name], found.spikes[name]), name
        assert torch.equal(expected.outputs_over_time, found.outputs_over_time)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    network=st.one_of(networks(), perceptrons()),
    neuron=st.sampled_from(NEURONS),
    coding=st.sampled_from(CODINGS),
    schedule=st.sampled_from(SCHEDULES),
    max_pooling=st.sampled_from([AccumulatedMax(), MomentaryMax()]),
    counted=st.booleans(),
    per_channel=st.booleans(),
    seed=st.integers(0, 1000),
)
@pytest.mark.filterwarnings("ignore::respike.errors.BiasScaleWarning")
def test_no_spike_changes(
    network: Network,
    neuron: Neuron,
    coding: Coding,
    schedule: Schedule,
    max_pooling: AccumulatedMax | MomentaryMax,
    counted: bool,
    per_channel: bool,
    seed: int,
) -> None:
    plan = dyadic_plan(network, schedule, neuron, seed, per_channel)
    plan = replace(plan, coding=coding, max_pooling=max_pooling)
    if counted:
        plan = replace(plan, readout=SpikeCount(Site(0.5, 0.25, neuron=neuron)))
    lowered = unit_spikes(network, plan)
    assert_unit(*lowered)
    if isinstance(lowered[1].readout, SpikeCount):
        assert (lowered[1].readout.site.threshold, lowered[1].readout.site.value) == (1.0, 0.25)
    assert_same(network, plan, lowered, images(network, 3))


def _shaped() -> Network:
    """Every node without weights between a population and what follows, and sums of populations."""
    build = Builder((2, 6, 5), seed=4)
    build.conv(4)
    build.relu()
    left = build.put(Slice("left", (build.last,), 1, 0, 2))
    right = build.put(Slice("right", ("relu2",), 1, 1, 4, 2))
    build.put(Add("sum", (left, right)))
    build.put(Pad("pad", ("sum",), (1, 0, 0, 2), 0.5))
    build.channels = 2
    build.conv(3)
    bn = (build.random(3), build.random(3).square() + 0.1, None, build.random(3), 1e-3)
    build.put(BatchNorm("bn", (build.last,), *bn))
    build.relu()
    build.put(Permute("permute", (build.last,), (0, 2, 3, 1)))
    build.put(Linear("last", ("permute",), build.random(2, 3), build.random(2)))
    build.put(ElementwiseAffine("scale", ("last",), build.random(6, 1), build.random(2)))
    build.relu()
    again = build.relu()
    build.put(Reshape("flat", (again,), (-1,)))
    build.relu()
    return Network(tuple(build.nodes), (build.last,))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_no_spike_changes_through_every_node(seed: int, per_channel: bool) -> None:
    network = _shaped()
    plan = dyadic_plan(network, Steady(9), IntegrateFire(), seed, per_channel)
    lowered = unit_spikes(network, plan)
    assert_unit(*lowered)
    assert_same(network, plan, lowered, images(network, 3))
    assert sum(int(spikes.sum()) for spikes in engines.batched(*lowered, images(network, 3)).spike_counts.values()) > 50


def test_scales_that_are_no_powers_of_two_change_next_to_nothing() -> None:
    network = _shaped()
    sites = {node.name: Site(0.3 + 0.1 * number) for number, node in enumerate(network.activations)}
    plan = Plan(sites, Steady(30))
    lowered = unit_spikes(network, plan)
    expected, found = (engines.batched(*pair, images(network, 4)) for pair in ((network, plan), lowered))
    for name, counts in expected.spike_counts.items():
        assert float((counts - found.spike_counts[name]).abs().mean()) < 1e-3
    # Where a spike delivers its threshold, the lowered network computes the original's outputs.
    assert torch.allclose(lowered[0](images(network, 4)), network(images(network, 4)), atol=1e-9)


def _shortcut() -> Network:
    eye = torch.eye(2, dtype=torch.float64)
    nodes: tuple[Node, ...] = (
        Input("x", (), (2,)),
        Linear("first", ("x",), eye, None),
        Activation("a", ("first",), ReLU()),
        Linear("branch", ("a",), eye, eye[0]),
        Add("sum", ("branch", "a")),
        Activation("b", ("sum",), ReLU()),
        Linear("last", ("b",), eye, None),
    )
    return Network(nodes, ("last",))


def test_weights_take_the_values_and_a_shortcut_gets_a_scale() -> None:
    """By hand: W · value / threshold; b / threshold; the identity becomes value / threshold."""
    network, eye = _shortcut(), torch.eye(2, dtype=torch.float64)
    plan = Plan({"a": Site(2.0, 3.0), "b": Site(4.0, 5.0, initial_potential=2.0, extra_current=1.0)}, Steady(1))
    lowered, units = unit_spikes(network, plan)
    first, branch, last = lowered["first"], lowered["branch"], lowered["last"]
    assert isinstance(first, Linear)
    assert isinstance(branch, Linear)
    assert isinstance(last, Linear)
    assert torch.equal(first.weight, eye / 2)
    assert torch.equal(branch.weight, eye * 3 / 4)
    assert branch.bias is not None
    assert torch.equal(branch.bias, eye[0] / 4)
    assert torch.equal(last.weight, eye * 5)
    scale = lowered["a->sum"]
    assert isinstance(scale, ElementwiseAffine)
    assert float(scale.scale) == 0.75
    assert (units.sites["b"].initial_potential, units.sites["b"].extra_current) == (0.5, 0.25)


def test_a_reset_value_is_a_potential() -> None:
    network = _shortcut()
    neuron = IntegrateFire(ToValue(-0.5))
    plan = Plan({"a": Site(0.5, neuron=neuron), "b": Site(2.0, 1.0, neuron=neuron)}, Steady(12))
    lowered = unit_spikes(network, plan)
    assert [site.neuron for site in lowered[1].sites.values()] == [
        IntegrateFire(ToValue(-1.0)),
        IntegrateFire(ToValue(-0.25)),
    ]
    assert_same(network, plan, lowered, images(network, 5))
    mixed = Plan({"a": Site(torch.tensor([1.0, 2.0]), neuron=neuron), "b": Site(1.0)}, Steady(2))
    with pytest.raises(InvalidPlan, match=r"'a' resets to -0\.5.*reset to 0"):
        unit_spikes(network, mixed)


@pytest.mark.parametrize(
    ("coding", "unit"),
    [(Bernoulli(rate=250.0, spike_value=4.0), 4.0), (IntegrateEncoder(2.0), 2.0), (ConstantCurrent(), 0.25)],
)
def test_input_spikes_deliver_one(coding: Coding, unit: float) -> None:
    network = _shortcut()
    plan = Plan({"a": Site(0.5), "b": Site(1.0)}, Steady(9), coding)
    lowered = unit_spikes(network, plan, input_unit=unit)
    assert lowered[1].coding.gain == plan.coding.gain
    assert_same(network, plan, lowered, images(network, 5), unit)
    if coding.spiking:
        assert float(lowered[1].coding.stream(images(network, 5) / unit).take(9).max()) == 1.0
        with pytest.raises(InvalidPlan, match=f"delivers {unit:g}: pass input_unit={unit:g}"):
            unit_spikes(network, plan)


def test_a_convolution_between_channels_of_different_units() -> None:
    weight = torch.arange(8, dtype=torch.float64).reshape(4, 1, 2) - 3
    nodes: tuple[Node, ...] = (
        Input("x", (), (2, 5)),
        Activation("a", ("x",), ReLU()),
        Conv("conv", ("a",), weight, None, (1,), (1,), (1,), groups=2),
        Activation("b", ("conv",), ReLU()),
    )
    network = Network(nodes, ("b",))
    values, thresholds = torch.tensor([0.5, 2.0]), torch.tensor([1.0, 2.0, 4.0, 8.0])
    plan = Plan({"a": Site(0.25, values), "b": Site(thresholds)}, Steady(5))
    lowered = unit_spikes(network, plan)
    conv = lowered[0]["conv"]
    assert isinstance(conv, Conv)
    scale = torch.tensor([0.5 / 1, 0.5 / 2, 2 / 4, 2 / 8], dtype=torch.float64)
    assert torch.equal(conv.weight, weight * scale.reshape(4, 1, 1))
    assert_same(network, plan, lowered, images(network, 4))


@pytest.mark.parametrize("input_unit", [None, 0.125])
@pytest.mark.parametrize("function", [ReLU(), ReLU(0.7), QuantisedReLU(0.75, 6, 0.25)], ids=str)
@pytest.mark.parametrize("thresholds", [0.5, torch.tensor([0.5, 0.25, 0.125])], ids=["one", "of each channel"])
def test_the_lowered_network_computes_what_the_network_does(
    thresholds: float | Tensor, function: ReLU | QuantisedReLU, input_unit: float | None
) -> None:
    """Without spikes: in units of what spikes deliver, clips and levels are where they were.

    A clip cannot be said in as many units as there are channels; then the plan alone holds neurons to it.
    """
    build = Builder((4,), 3)
    last = Linear("out", ("a",), build.random(2, 3))
    nodes = (Input("x", (), (4,)), Linear("in", ("x",), build.random(3, 4)), Activation("a", ("in",), function), last)
    network = Network(nodes, ("out",))
    plan = Plan({"a": Site(thresholds)}, Steady(4))
    given = {} if input_unit is None else {"input_unit": input_unit}
    lowered, _ = unit_spikes(network, plan, **given)
    batch = images(network, 20)
    clips = [node.function.ceiling != float("inf") for node in lowered.activations if isinstance(node.function, ReLU)]
    if isinstance(thresholds, Tensor) and function != ReLU():
        assert clips == [False]
        network = Network((*nodes[:2], Activation("a", ("in",), ReLU()), last), ("out",))
    torch.testing.assert_close(lowered(batch / (input_unit or 1.0)), network(batch), rtol=1e-12, atol=1e-12)
