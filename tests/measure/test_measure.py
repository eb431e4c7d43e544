"""Measuring: every number against a plain computation, and against what a reader would check by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from networks import Builder, images, networks
from respike import Probe, Report, SpikingNetwork, engines, measure, methods, simulate, wilson
from respike import cost as m
from respike.coding import Bernoulli
from respike.errors import InvalidData, InvalidNetwork, InvalidOption
from respike.intervals import by_chance
from respike.ir import Activation, Conv, Input, Linear, Multiply, Network, ReLU, Reshape
from respike.measure import BATCH_SIZE
from respike.measure.early_exit import Margin
from respike.measure.report import first_to_stay
from respike.neurons import FewSpikes
from respike.plan import Membrane, Plan, Site
from respike.record import INPUT
from respike.schedule import Layerwise, Steady


def spiking_network(network: Network, steps: int = 6) -> SpikingNetwork:
    return SpikingNetwork(network, Plan({n.name: Site(0.4) for n in network.activations}, Steady(steps)))


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=networks())
def test_every_number_against_a_plain_computation(network: Network) -> None:
    spiking = spiking_network(network)
    batch = images(network, 130)
    labels = torch.arange(130) % 4
    report = measure(spiking, (batch, labels))
    record = simulate(spiking, batch, Probe(spikes=tuple(spiking.plan.sites)))
    assert report.images == 130
    assert report.network_accuracy == float((network(batch).argmax(1) == labels).double().mean())
    right = (record.outputs_over_time.argmax(2) == labels).double().mean(1)
    assert report.accuracy == pytest.approx(right.tolist())
    counts = {name: float(spikes.sum()) / 130 for name, spikes in record.spikes.items()}
    assert report.spikes_per_layer == pytest.approx(counts)
    neurons = sum(network.neurons(name) for name in counts)
    assert report.neurons == neurons
    assert report.spikes_per_neuron == pytest.approx(sum(counts.values()) / neurons)
    operations = sum(
        float((record.spike_counts[name] * m.probed_fan_out(network, name)).sum()) / 130 for name in counts
    )
    assert report.synaptic_operations == pytest.approx(operations)
    assert sum(report.synaptic_operations_per_step) == pytest.approx(operations)
    assert report.input_macs == float(m.probed_fan_out(network, network.inputs[0].name).sum())
    joules = report.input_macs * 4.6e-12 + operations * 0.9e-12
    assert report.energy_ratio == pytest.approx(joules / (report.macs * 4.6e-12))


def test_one_spike_of_every_neuron_costs_as_many_operations_as_the_network_has_synapses() -> None:
    """Unpadded and without pooling, synaptic operations at one spike a neuron are the network's own MACs."""
    builder = Builder((2, 7, 7), 0)
    for channels in (3, 4):
        weight = builder.random(channels, builder.channels, 3, 3).abs()
        builder.put(Conv(builder.name("conv"), (builder.last,), weight, None, (1, 1), (0, 0), (1, 1)))
        builder.channels = channels
        builder.relu()
    network = Network(tuple(builder.nodes), (builder.last,))
    spiking = SpikingNetwork(network, Plan({n.name: Site(1e-6) for n in network.activations}, Steady(1)))
    report_macs = m.macs(network)
    record = simulate(spiking, torch.ones(1, 2, 7, 7), Probe(fan_out=m.fan_outs(network)))
    first, second = (n.name for n in network.activations)
    assert float(record.operations_per_step[first].sum()) == list(report_macs.values())[1]
    assert float(record.spikes_per_step[second].sum()) == network.neurons(second)


def test_input_spikes_are_additions_and_not_multiplications() -> None:
    network = _network()
    plan = Plan({n.name: Site(0.4) for n in network.activations}, Steady(20), Bernoulli(seed=2))
    batch = images(network, 10)
    report = measure(SpikingNetwork(network, plan), (batch, torch.zeros(10, dtype=torch.long)))
    assert report.input_macs == 0
    assert report.seed == 2
    record = engines.reference(network, plan, batch, Probe(fan_out=m.fan_outs(network)))
    assert report.synaptic_operations == pytest.approx(
        sum(float(steps.sum()) for steps in record.operations_per_step.values()) / 10
    )
    assert float(record.operations_per_step[INPUT].sum()) > 0
    assert INPUT not in report.spikes_per_layer


def test_batches_of_any_size_and_a_limit() -> None:
    network = _network()
    spiking = spiking_network(network)
    batch, labels = images(network, 100), torch.arange(100) % 4
    whole = measure(spiking, (batch, labels), limit=70)
    pieces = measure(spiking, [(batch[i : min(i + 9, 70)], labels[i : min(i + 9, 70)]) for i in range(0, 70, 9)])
    assert whole.images == pieces.images == 70
    assert whole.accuracy == pieces.accuracy
    assert whole.synaptic_operations == pytest.approx(pieces.synaptic_operations)


def test_the_step_that_reaches_the_network_is_the_first_to_stay() -> None:
    assert first_to_stay([1, 9, 5, 9, 10], 9) == 4
    assert first_to_stay([9, 8], 9) is None
    assert first_to_stay([9, 9], 9) == 1


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks(), tolerance=st.sampled_from([None, 0.0, 0.1, 1.0]))
def test_the_headline_is_what_a_run_costs_that_ends_there(network: Network, tolerance: float | None) -> None:
    """At the step from which on the accuracy stays; a shorter run of so many steps has the same figures."""
    data = images(network, 60), torch.arange(60) % 4
    report = measure(spiking_network(network), data, tolerance=tolerance)
    allowed = by_chance(report.network_accuracy, 60) if tolerance is None else round(60 * tolerance)
    assert report.decisions == allowed
    right = [round(60 * accuracy) for accuracy in report.accuracy]
    stays = [step for step in report.times if min(right[step - 1 :]) >= round(60 * report.network_accuracy) - allowed]
    assert report.steps_to_network_accuracy == min(stays, default=None)
    head = report.headline
    assert head.step == min(stays, default=report.latency)
    assert (head.low, head.high) == wilson(head.accuracy, 60)
    shorter = measure(spiking_network(network, head.step), data)
    assert asdict(head) == pytest.approx(asdict(shorter.end))
    for step in report.times:
        assert asdict(report.after(step)) == pytest.approx(asdict(measure(spiking_network(network, step), data).end))


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks(), given_steps=st.integers(1, 6), after=st.integers(0, 3))
def test_margins_against_a_plain_computation(network: Network, given_steps: int, after: int) -> None:
    """The lead of the network's class at the end of a run, image by image, over its lead in the network."""
    plan = spiking_network(network, given_steps + after).plan
    spiking = SpikingNetwork(network, replace(plan, readout=Membrane(after=after)))
    batch = images(network, 20)
    report = measure(spiking, (batch, torch.zeros(20, dtype=torch.long)))
    wanted, found = network(batch).double(), spiking(batch).double()
    shares = []
    for own, ours in zip(wanted.tolist(), found.tolist(), strict=True):
        best = max(range(len(own)), key=own.__getitem__)
        leads = [one[best] - max(one[:best] + one[best + 1 :]) for one in (own, ours)]
        shares.append(max(-1.0, min(1.0, leads[1] / max(leads[0], 1e-12))))
    assert report.margin[-1] == pytest.approx(sum(shares) / 20, abs=1e-4)
    assert len(report.margin) == len(report.accuracy)


def test_an_output_that_comes_at_the_end_has_one_cost() -> None:
    network = _network()
    plan = Plan({n.name: Site(0.01, neuron=FewSpikes(6)) for n in network.activations}, Layerwise(6))
    report = measure(SpikingNetwork(network, plan), (images(network, 20), torch.arange(20) % 4), tolerance=1.0)
    assert (len(report.accuracy), report.times) == (1, (report.latency,))
    assert report.steps_to_network_accuracy == report.latency == 6 * len(network.activations)
    assert report.headline == report.end
    with pytest.raises(InvalidOption, match="no output after step 1, only after"):
        report.after(1)


@pytest.mark.parametrize("tolerance", [-0.1, 1.5, math.nan])
def test_a_tolerance_that_is_no_share_is_refused(tolerance: float) -> None:
    network = _network()
    with pytest.raises(InvalidOption, match="tolerance must be in"):
        measure(spiking_network(network), (images(network, 4), torch.zeros(4, dtype=torch.long)), tolerance=tolerance)


def test_a_report_survives_json() -> None:
    network = _network()
    data = images(network, 20), torch.arange(20) % 4
    report = measure(spiking_network(network), data, early_exit=Margin(0.5))
    assert vars(Report.from_json(report.to_json())) == vars(report)


BAD_IMAGES = [
    pytest.param(torch.full((2, 2, 8, 8), math.nan), "NaN or infinite values, first in image 0", id="NaN"),
    pytest.param(torch.stack([torch.zeros(2, 8, 8), torch.full((2, 8, 8), math.inf)]), "first in image 1", id="inf"),
    pytest.param(torch.full((2, 2, 8, 8), 1e300, dtype=torch.float64), "infinite", id="too large for float32"),
    pytest.param(torch.zeros(0, 2, 8, 8), "at least one image", id="none"),
    pytest.param(torch.zeros(2, 2, 8), r"batch of shape \[batch, 2, 8, 8\]", id="shape"),
    pytest.param(torch.tensor(1.0), "batch of shape", id="scalar"),
    pytest.param(torch.zeros(2, 2, 8, 8, dtype=torch.complex64), "got torch.complex64", id="complex"),
    pytest.param([[0.0]], "a tensor of real numbers, got list", id="list"),
]


def _single_precision() -> SpikingNetwork:
    builder = Builder((2, 8, 8), 0)
    builder.conv(3)
    builder.relu()
    return spiking_network(builder.network().to(torch.float32))


@pytest.mark.parametrize(("batch", "message"), BAD_IMAGES)
@pytest.mark.parametrize("entry", ["network", "call", "simulate", *engines.ALL])
def test_images_are_checked_wherever_they_come_in(entry: str, batch: Tensor, message: str) -> None:
    spiking = _single_precision()
    network, plan = spiking.network, spiking.plan
    if entry == "few_spikes":
        plan = methods.few_spikes(network, torch.rand(4, 2, 8, 8), steps=4)
    run: dict[str, Callable[[], object]] = {
        "network": lambda: network(batch),
        "call": lambda: spiking(batch),
        "simulate": lambda: simulate(spiking, batch),
        **{name: partial(engine, network, plan, batch) for name, engine in engines.ALL.items()},
    }
    with pytest.raises(InvalidData, match=message):
        run[entry]()


@pytest.mark.parametrize("place", [0, 99])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_measure_refuses_images_that_are_no_numbers(place: int, value: float) -> None:
    network = _network()
    batch = images(network, 100)
    batch[place] = value
    with pytest.raises(
        InvalidData, match=f"images from {place // BATCH_SIZE * BATCH_SIZE} on: .* image {place % BATCH_SIZE} "
    ):
        measure(spiking_network(network), (batch, torch.zeros(100, dtype=torch.long)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.full((9,), -1), "labels must be from 0 to 3, the network's classes, got -1 to -1"),
        (torch.arange(9), "got 0 to 8"),
        (torch.zeros(9), "must be integers, one for each of 9 images, got torch.float32"),
        (torch.zeros(9, dtype=torch.bool), "must be integers"),
        (torch.zeros(9, 1, dtype=torch.long), r"got torch.int64 \[9, 1\]"),
        (torch.zeros(8, dtype=torch.long), "one label for each image, got 8 for 9 images"),
        (torch.zeros(200, dtype=torch.long), "one label for each image, got 200 for 9 images"),
    ],
)
def test_measure_refuses_labels_that_name_no_class(labels: Tensor, message: str) -> None:
    network = _network()
    with pytest.raises(InvalidData, match=message):
        measure(spiking_network(network), (images(network, 9), labels))


def test_numbers_without_sense_are_refused() -> None:
    network = _network()
    given = (images(network, 9), torch.zeros(9, dtype=torch.long))
    for limit in (0, -1, 2.5, True):
        with pytest.raises(InvalidOption, match="limit must be 1 or more"):
            measure(spiking_network(network), given, limit=limit)  # type: ignore[arg-type]
    nodes = (
        Input("x", (), (1, 10**6)),
        Conv("conv", ("x",), torch.ones(1, 1, 1), None, (1,), (0,), (1,), 1),
        Activation("relu", ("conv",), ReLU()),
        Reshape("out", ("relu",), (10**6,)),
    )
    wide = Network(nodes, ("out",))
    with pytest.raises(InvalidOption, match="use fewer steps"):
        measure(spiking_network(wide, steps=10**6), (torch.zeros(1, 1, 10**6), torch.zeros(1, dtype=torch.long)))


def test_a_network_that_overflows_is_not_measured() -> None:
    builder = Builder((2, 8, 8), 0)
    builder.put(Reshape("flat", (builder.last,), (128,)))
    builder.put(Linear("fc", ("flat",), torch.full((4, 128), 1e38)))
    network = Network(tuple(builder.nodes), ("fc",))
    with pytest.raises(InvalidNetwork, match="itself gives NaN or infinite outputs before image 9"):
        measure(spiking_network(network), (torch.ones(9, 2, 8, 8), torch.zeros(9, dtype=torch.long)))


def test_an_interrupt_keeps_what_is_finished() -> None:
    network = _network()

    def engine(*args: Any, first_image: int = 0, **kwargs: Any) -> Any:
        if first_image >= 64:
            raise KeyboardInterrupt
        return engines.batched(*args, first_image=first_image, **kwargs)

    report = measure(spiking_network(network), (images(network, 100), torch.arange(100) % 4), engine=engine)
    assert (report.images, report.complete) == (64, False)
    expected = measure(spiking_network(network), (images(network, 100), torch.arange(100) % 4), limit=64)
    # A sum over a batch of another size may differ in its last bit.
    assert report.output_error == pytest.approx(expected.output_error)
    assert (
        replace(
            report, seconds=expected.seconds, complete=True, engine=expected.engine, output_error=expected.output_error
        )
        == expected
    )


def test_the_report_is_json() -> None:
    network = _network()
    report = measure(spiking_network(network), (images(network, 5), torch.zeros(5, dtype=torch.long)))
    assert json.loads(report.to_json())["accuracy"] == report.accuracy


def test_no_image_is_nothing_to_measure() -> None:
    with pytest.raises(InvalidData, match="no image was measured"):
        measure(spiking_network(_network()), (torch.zeros(0, 2, 4, 4), torch.zeros(0).long()))


def test_outputs_are_in_the_networks_units() -> None:
    """A call decodes: with fine thresholds and many steps it is the network's own output."""
    network = _network()
    plan = methods.max_norm(network, images(network, 50), steps=4000)
    batch = images(network, 4)
    assert torch.allclose(SpikingNetwork(network, plan)(batch), network(batch), atol=0.02)


def _network() -> Network:
    builder = Builder((2, 4, 4), 1)
    builder.conv(3)
    builder.relu()
    return builder.network()


def test_what_stays_analog_is_counted_as_multiply_accumulates() -> None:
    """A gate's product, and the layer that reads it; its factors spike."""
    nodes = (
        Input("x", (), (4,)),
        Activation("relu", ("x",), ReLU()),
        Multiply("gated", ("relu", "relu")),
        Linear("fc", ("gated",), torch.eye(3, 4)),
    )
    network = Network(nodes, ("fc",))
    batch, labels = images(network, 6), torch.zeros(6).long()
    plan = methods.few_spikes(network, batch, steps=4, analog=("gated",))
    report = measure(SpikingNetwork(network, plan), (batch, labels))
    assert report.analog_macs == 4 + 4 * 3
    assert report.energy_ratio == pytest.approx(
        m.HOROWITZ_45NM(report.input_macs + 16, report.synaptic_operations) / m.HOROWITZ_45NM(4 + 12, 0)
    )
