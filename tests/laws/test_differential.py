"""Networks of norms, attention and gates in time: what is evaluated, what is sent, and what both cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mixers import OUT, TOKENS, WIDTH, given_to, mixer, mixers
from networks import Builder, images
from respike import SpikingNetwork, diagnose, engines, hardware, lower, measure, methods, refine
from respike.coding import ConstantCurrent, Frames
from respike.cost import HOROWITZ_45NM, analog_operations, fan_outs, probed_fan_out
from respike.diagnosis import changes, remedies
from respike.engines.event import COMPILED
from respike.errors import InvalidPlan
from respike.ir import Activation, Analog, Divide, Input, Linear, Network, ReLU, Sigmoid
from respike.neurons import Differential
from respike.passes import spike_edges
from respike.plan import Plan, Site
from respike.record import Probe, Recording
from respike.schedule import InputThenDrain, Layerwise, Schedule, Steady

ENGINES: list[Any] = [engines.batched, *([engines.event] if COMPILED else [])]


def converted(network: Network, **options: Any) -> SpikingNetwork:
    return SpikingNetwork(network, methods.differential(network, given_to(network, 8), **options))


def run(spiking: SpikingNetwork, engine: Any = engines.reference, count: int = 3, **options: Any) -> Recording:
    names = tuple(spiking.plan.sites)
    probe = Probe(spikes=names, potentials=names, fan_out=fan_outs(spiking.network, spiking.plan))
    record: Recording = engine(spiking.network, spiking.plan, given_to(spiking.network, count), probe, **options)
    return record


def evaluated(network: Network, schedule: Schedule, coding: Any = None) -> SpikingNetwork:
    """The network with no neurons at all."""
    analog = tuple(node.name for node in network.nodes if isinstance(node, Activation | Analog))
    return SpikingNetwork(network, Plan({}, schedule, coding or ConstantCurrent(), analog=analog))


def rate_coded(network: Network, steps: int) -> SpikingNetwork:
    """A spike of either sign in a step on every edge, and the input in all steps."""
    spiking = spike_edges(network)
    analog = [n.name for n in spiking.nodes if isinstance(n, Analog) or (isinstance(n, Activation) and _odd(n))]
    sites = {node.name: 3.0 for node in spiking.activations if node.name not in analog}
    neurons = {
        name: Differential(1, (1,), 0 if isinstance(spiking[name], Activation) and _relu(spiking[name]) else None)
        for name in sites
    }
    placed = {name: Site(size, initial_potential=size / 2, neuron=neurons[name]) for name, size in sites.items()}
    return SpikingNetwork(network, Plan(placed, Steady(steps), analog=tuple(analog)))


def _relu(node: Any) -> bool:
    return isinstance(node.function, ReLU)


def _odd(node: Activation) -> bool:
    return not node.name.endswith("@spikes") and not _relu(node)


@st.composite
def conversions(draw: st.DrawFn) -> SpikingNetwork:
    network, steps = draw(mixers()), draw(st.integers(1, 6))
    if draw(st.booleans()):
        return rate_coded(network, steps)
    spiking = converted(network, steps=steps, step_bits=draw(st.integers(1, 4)), per_channel=draw(st.booleans()))
    if draw(st.booleans()):
        return SpikingNetwork(network, refine.settle(spiking.plan, network, given_to(network, 8)))
    return spiking


@settings(max_examples=25, derandomize=True, deadline=None)
@given(spiking=conversions(), memory=st.sampled_from([1, 20000, 10**8]))
def test_engines_agree(spiking: SpikingNetwork, memory: int) -> None:
    expected = run(spiking)
    for engine in ENGINES:
        found = run(spiking, engine, memory=memory)
        torch.testing.assert_close(found.outputs_over_time, expected.outputs_over_time, rtol=1e-9, atol=1e-9)
        for kind in ("spikes", "spike_counts", "spikes_per_step", "operations_per_step"):
            assert getattr(expected, kind).keys() == getattr(found, kind).keys() == spiking.plan.sites.keys()
            for name, numbers in getattr(expected, kind).items():
                assert torch.equal(numbers, getattr(found, kind)[name]), (kind, name)
        for name, potential in expected.potentials.items():
            torch.testing.assert_close(found.potentials[name], potential, rtol=1e-9, atol=1e-9)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=mixers(), steps=st.integers(1, 6), engine=st.sampled_from([engines.reference, *ENGINES]))
def test_the_sum_after_every_step_is_the_network_of_the_mean_input(network: Network, steps: int, engine: Any) -> None:
    """Of inputs that change in every step, with no neuron between: t · f(m_t), through all that is evaluated."""
    still = given_to(network, 2)
    factors = torch.linspace(0.2, 1.7, steps, dtype=torch.float64) if still.ndim > 2 else torch.ones(steps).double()
    frames = still.unsqueeze(1) * factors.reshape(1, -1, *[1] * (still.ndim - 1))
    spiking = evaluated(network, Steady(steps), Frames())
    over_time = engine(spiking.network, spiking.plan, frames).outputs_over_time
    for t in range(1, steps + 1):
        torch.testing.assert_close(over_time[t - 1] / t, network(frames[:, :t].mean(1)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("schedule", [Steady(4), InputThenDrain(1, 3), InputThenDrain(3, 2), Layerwise(4)], ids=str)
@pytest.mark.parametrize("engine", [engines.reference, engines.batched, engines.event])
def test_without_neurons_a_constant_input_gives_the_network_in_every_step(schedule: Schedule, engine: Any) -> None:
    network = mixer(["attention", "gelu", "gated", "gate"])
    spiking, batch = evaluated(network, schedule), images(network, 3)
    over_time = engine(spiking.network, spiking.plan, batch).outputs_over_time
    for t, outputs in enumerate(over_time):
        torch.testing.assert_close(outputs / spiking.plan.decoding_after(t + 1), network(batch), rtol=1e-9, atol=1e-9)


def test_the_idealisation_without_time_evaluates_means() -> None:
    network = mixer(["gelu", "attention"])
    spiking, batch = evaluated(network, Steady(7)), images(network, 3)
    found = engines.count(spiking.network, spiking.plan, batch).outputs / spiking.decoding
    torch.testing.assert_close(found, network(batch))


@pytest.mark.parametrize("kinds", [["relu"], ["attention", "gelu", "gate"], ["causal", "gated"]], ids=str)
def test_finer_values_in_more_steps_come_closer_to_the_network(kinds: list[str]) -> None:
    network = mixer(kinds)
    batch = given_to(network, 8)  # what it is calibrated on

    def error(steps: int, bits: int) -> float:
        return float((converted(network, steps=steps, value_bits=bits)(batch) - network(batch)).abs().max())

    errors = [error(1, 4), error(4, 6), error(8, 9), error(12, 12)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.005 * float(network(batch).abs().max())


def test_rates_come_closer_with_time() -> None:
    network = mixer(["attention", "gelu"])
    batch = images(network, 8)
    errors = [float((rate_coded(network, steps)(batch) - network(batch)).abs().max()) for steps in (16, 128, 1024)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05 * float(network(batch).abs().max())


def test_spikes_say_what_has_changed() -> None:
    """With units of one size, all is said in the first step, and the others bring nothing but their evaluations."""
    network = mixer(["attention", "gelu"])
    plan = methods.differential(network, images(network, 8), steps=1, step_bits=7, value_bits=4)  # nothing saturates
    still = replace(plan, schedule=InputThenDrain(1, 4))
    once, longer = run(SpikingNetwork(network, plan)), run(SpikingNetwork(network, still))
    assert torch.equal(once.outputs, longer.outputs)
    for name in plan.sites:
        assert float(longer.spikes[name][0].abs().sum()) > 0
        assert not longer.spikes[name][1:].any()


@settings(max_examples=15, derandomize=True, deadline=None)
@given(spiking=conversions())
def test_fan_outs_equal_probing(spiking: SpikingNetwork) -> None:
    for name, counts in fan_outs(spiking.network, spiking.plan).items():
        source = spiking.network.inputs[0].name if name == "input" else name
        assert torch.equal(counts, probed_fan_out(spiking.network, source, spiking.plan)), name


@pytest.mark.parametrize("kind", ["attention", "causal"])
def test_operations_of_attention_are_those_of_its_loops(kind: str) -> None:
    """By hand: a spike of either input of a product adds what has arrived of the other one, and is collected itself."""
    spiking = converted(mixer([kind]), steps=3)
    assert spiking.plan.products.keys() == {"0.scores", "0.mixed"}
    record = run(spiking)
    targets = {
        "0.norm": 3 * WIDTH,  # q, k and v
        "0.query.heads": TOKENS + 1,
        "0.key.turned": TOKENS + 1,
        "0.weights": WIDTH // 2 + 1,  # the values of the token that it looks at, of its head
        "0.value.heads": TOKENS + 1,  # all tokens that look at it
        "0.flat": WIDTH,  # the projection
        "flat": OUT,
    }
    assert {f"{name}@spikes" for name in targets} == record.spikes.keys()
    for name, count in targets.items():
        site = f"{name}@spikes"
        sent = spiking.plan.sites[site].neuron.spikes_sent(record.spikes[site])
        assert float(record.operations_per_step[site].sum()) == count * float(sent.sum()) > 0, site


def _digits(amplitude: int) -> list[int]:
    """The non-adjacent form of a number, from its lowest digit: 7 is -1 + 8."""
    found = []
    while amplitude:
        digit = 0 if amplitude % 2 == 0 else 2 - amplitude % 4
        found.append(digit)
        amplitude = (amplitude - digit) // 2
    return found


def test_scores_are_made_of_as_many_additions_as_are_counted() -> None:
    """Spike by spike: each of q adds what has arrived of k to the scores of its token, each of k what has of q."""
    spiking = converted(mixer(["causal"]), steps=3)
    record = run(spiking, count=1)
    query, key = spiking.network["0.scores"].inputs
    sites = spiking.plan.sites
    sent = {name: record.spikes[name][:, 0].double() for name in (query, key)}
    units = {name: sites[name].like(record.spikes[name][0]).spike_value[0] for name in (query, key)}
    scores, additions = torch.zeros(2, TOKENS, TOKENS).double(), dict.fromkeys((query, key), 0)
    held: Mapping[str, Tensor] = {name: torch.zeros_like(sent[name][0]) for name in (query, key)}
    for step in range(3):
        held[key].add_(sent[key][step] * units[key])  # k has changed when q's spikes come, and q not when k's do
        for name in (query, key):
            additions[name] += sum(
                digit != 0 for one in sent[name][step].flatten().tolist() for digit in _digits(int(one))
            )
        for head, token, feature in sent[query][step].nonzero().tolist():
            for place, digit in enumerate(_digits(int(sent[query][step, head, token, feature]))):
                for other in range(TOKENS if digit else 0):
                    unit = units[query].expand(2, 1, 1)[head, 0, 0]
                    scores[head, token, other] += digit * 2**place * unit * held[key][head, feature, other]
                    additions[query] += 1
        for head, feature, token in sent[key][step].nonzero().tolist():
            for place, digit in enumerate(_digits(int(sent[key][step, head, feature, token]))):
                for other in range(TOKENS if digit else 0):
                    unit = units[key].expand(2, 1, 1)[head, 0, 0]
                    scores[head, other, token] += digit * 2**place * unit * held[query][head, other, feature]
                    additions[key] += 1
        held[query].add_(sent[query][step] * units[query])
    torch.testing.assert_close(scores, held[query] @ held[key])
    for name, count in additions.items():
        assert float(record.operations_per_step[name].sum()) == count > 0


def test_what_is_evaluated_or_held_is_counted_in_every_step() -> None:
    network = mixer(["gelu", "attention"])
    once, longer = (converted(network, steps=steps) for steps in (1, 5))
    first, all_steps = (analog_operations(s.network, s.plan, fan_outs(s.network, s.plan)) for s in (once, longer))
    assert first.keys() == all_steps.keys() == {*longer.plan.analog, *longer.plan.held}
    assert {name: 5 * count for name, count in first.items()} == all_steps
    assert all_steps["0.norm"] == 5 * TOKENS * WIDTH * (4 + 1)  # its arithmetic, and one population that reads it


def test_a_run_that_ends_early_has_paid_for_its_own_evaluations_alone() -> None:
    network = mixer(["gelu", "attention"])
    report = measure(converted(network, steps=4), images(network, 8))
    for steps in (1, 2, 3, 4):
        evaluations = report.analog_macs * steps / 4
        additions = sum(report.synaptic_operations_per_step[:steps])
        spent = HOROWITZ_45NM(report.input_macs + evaluations, additions) / HOROWITZ_45NM(report.macs, 0)
        assert report.energy_over_time[steps - 1] == pytest.approx(spent)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=mixers(), factor=st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_gauge(network: Network, factor: float) -> None:
    """Values on an edge in another unit: what is in front times c, the site too, what reads them by c: same spikes."""
    spiking = converted(network, steps=3)
    plan, expected = spiking.plan, run(spiking)
    for scaled in network.nodes:
        readers = {node.name for node in network.readers(scaled.name) if isinstance(node, Linear)}
        edge = f"{scaled.name}@spikes"
        if isinstance(scaled, Linear) and edge in plan.sites and len(readers) == len(network.readers(scaled.name)):
            break
    else:
        return
    turned = {scaled.name: factor, **dict.fromkeys(readers, 1 / factor)}
    nodes = [
        replace(node, weight=node.weight * turned[node.name])
        if isinstance(node, Linear) and node.name in turned
        else node
        for node in network.nodes
    ]
    nodes = [
        replace(node, bias=node.bias * factor)
        if isinstance(node, Linear) and node.name == scaled.name and node.bias is not None
        else node
        for node in nodes
    ]
    site = plan.sites[edge]
    moved = replace(
        site,
        threshold=site.threshold * factor,
        spike_value=site.value * factor,
        initial_potential=site.initial_potential * factor,
    )
    same = replace(plan, sites={**plan.sites, edge: moved})
    found = run(SpikingNetwork(replace(network, nodes=tuple(nodes)), same))
    for name in plan.sites:
        assert torch.equal(expected.spikes[name], found.spikes[name]), name


def test_a_file_holds_networks_in_time(tmp_path: Path) -> None:
    spiking = converted(mixer(["attention", "relu", "gate"]), steps=3)
    spiking.save(tmp_path / "spiking.safetensors")
    again = SpikingNetwork.load(tmp_path / "spiking.safetensors")
    assert again.plan.schedule == InputThenDrain(1, 2)
    assert again.plan.products == spiking.plan.products
    expected, found = run(spiking), run(again)
    assert torch.equal(expected.outputs_over_time, found.outputs_over_time)
    for name in spiking.plan.sites:
        assert torch.equal(expected.spikes[name], found.spikes[name]), name


def test_a_module_to_train_gives_the_same() -> None:
    network = mixer(["attention", "relu", "gate"])
    spiking, batch = converted(network, steps=3), images(network, 4)
    module = spiking.to_module()
    outputs = module(batch)
    torch.testing.assert_close(outputs, spiking(batch), rtol=1e-9, atol=1e-9)
    outputs.square().sum().backward()
    gradients = [parameter.grad for parameter in module.parameters()]
    assert all(gradient is not None and bool(gradient.isfinite().all()) for gradient in gradients)


def test_mean_inputs_can_be_settled() -> None:
    network = mixer(["gelu", "gate"])
    spiking = converted(network, steps=4, step_bits=1)
    settled = SpikingNetwork(network, refine.settle(spiking.plan, network, images(network, 8)))
    expected = run(settled)
    for engine in ENGINES:
        found = run(settled, engine)
        for name in settled.plan.sites:
            assert torch.equal(expected.spikes[name], found.spikes[name]), name


def test_networks_of_convolutions_convert_too() -> None:
    builder = Builder((2, 6, 6), seed=3)
    builder.conv(4)
    builder.relu()
    builder.block("maxpool")
    builder.block("residual")
    builder.conv(5)
    builder.put(Activation("clipped", (builder.last,), ReLU(0.4)))
    network = builder.network()
    spiking, batch = converted(network, steps=4), images(network, 8)
    assert not spiking.plan.analog
    torch.testing.assert_close(spiking(batch), network(batch), rtol=0.05, atol=0.05)
    first = next(iter(spiking.plan.sites.values())).neuron
    assert (first.least_total, first.most_total) == (0, None)  # type: ignore[attr-defined]
    clipped = spiking.plan.sites["clipped"]
    assert float((clipped.neuron.most_in_all or 0) * torch.as_tensor(clipped.value).max()) <= 0.4 * (1 + 1e-6)
    assert_same(spiking)


def assert_same(spiking: SpikingNetwork) -> None:
    expected = run(spiking)
    for engine in ENGINES:
        found = run(spiking, engine)
        for name in spiking.plan.sites:
            assert torch.equal(expected.spikes[name], found.spikes[name]), name


def quotient() -> Network:
    """One population divided by another, which may not have sent anything yet."""
    draw = torch.Generator().manual_seed(0)
    weights = [torch.randn(4, 4, generator=draw).double() for _ in range(3)]
    nodes = (
        Input("x", (), (4,)),
        Linear("up", ("x",), weights[0]),
        Activation("over", ("up",), ReLU()),
        Linear("down", ("x",), weights[1].abs()),
        Activation("under", ("down",), ReLU()),
        Divide("quotient", ("over", "under")),
        Linear("out", ("quotient",), weights[2]),
    )
    return Network(nodes, ("out",))


@pytest.mark.parametrize("engine", [engines.reference, *ENGINES])
def test_a_quotient_waits_for_the_spikes_that_it_divides_by(engine: Any) -> None:
    network = quotient()
    batch = images(network, 5) + 0.1
    neuron = Differential(1, (8, 4, 2, 1, 1), 0)
    sites = {name: Site(0.1, initial_potential=0.05, neuron=neuron) for name in ("over", "under")}
    late = replace(sites["under"], threshold=0.2, spike_value=0.2, initial_potential=-1.5)
    late = replace(late, transient=torch.tensor([[0.0], [1.6]]).double())
    plan = Plan({**sites, "under": late, "quotient@spikes": Site(0.1, neuron=Differential())}, InputThenDrain(1, 4))
    plan = replace(plan, analog=("quotient",))
    record = engine(network, plan, batch, Probe(spikes=("under",)))
    assert not record.spikes["under"][0].all()
    assert bool(record.outputs_over_time.isfinite().all())


def test_plans_that_do_not_fit_say_what_does() -> None:
    network = mixer(["gate"])
    good = converted(network, steps=2).plan
    one_side = {name: site for name, site in good.sites.items() if name != "0.sigmoid@spikes"}
    for wrong, message in (
        (Plan({}, Steady(4)), "every_edge or differential"),
        (replace(good, sites=one_side), "give the plan a site for '0.sigmoid@spikes'"),
        (replace(good, schedule=InputThenDrain(2, 1)), "use schedule=InputThenDrain(1, steps)"),
        (replace(good, schedule=Layerwise(4)), "they need a schedule such as Steady"),
    ):
        with pytest.raises(InvalidPlan, match=re.escape(message)):
            SpikingNetwork(network, wrong)
    unsigned = replace(good, sites={name: Site(1.0) for name in good.sites})
    with pytest.raises(InvalidPlan, match=r"use neurons\.Differential"):
        SpikingNetwork(network, unsigned)


def test_what_is_evaluated_is_neither_lowered_nor_refined_layer_by_layer() -> None:
    network = mixer(["gelu"])
    spiking, steady = converted(network, steps=2), rate_coded(network, 4)
    for change in (lower.unit_spikes, lower.fixed_point):
        with pytest.raises(InvalidPlan, match="computes with numbers and not with spikes, which cannot be lowered"):
            change(spiking.network, spiking.plan)
    with pytest.raises(InvalidPlan, match="use settle"):
        refine.correct_biases(steady.plan, network, images(network, 8))


def test_units_can_be_chosen_for_all_that_the_steps_say() -> None:
    network = mixer(["gelu", "attention"])
    batch = images(network, 8)
    plan = methods.differential(network, batch, steps=3)
    chosen = SpikingNetwork(network, refine.least_squares(plan, network, batch))
    assert Differential(2, (4, 1)).most_in(4) == 3 * (4 + 1 + 1 + 1)
    error = float((chosen(batch) - network(batch)).abs().max())
    assert error < 3 * float((SpikingNetwork(network, plan)(batch) - network(batch)).abs().max())
    with pytest.raises(InvalidPlan, match=r"'0\.norm@spikes' sends both signs: use least_squares"):
        refine.balance_thresholds(plan, network, batch)


@pytest.mark.parametrize("method", [methods.differential, methods.coarse_to_fine], ids=lambda method: method.name)
def test_a_diagnosis_tries_more_steps_with_the_input_in_the_first_one(method: Any) -> None:
    builder = Builder((2, 6, 6), seed=3)
    builder.conv(4)
    builder.relu()
    network = builder.network() if method is methods.coarse_to_fine else mixer(["gelu", "gate"])
    batch = images(network, 40)
    plan = method(
        network, batch, steps=3, **({"step_bits": 1} if method is methods.differential else {"value_bits": 1})
    )
    changed = changes.longer(plan)
    assert changed is not None
    assert (changed.plan.schedule, changed.what) == (InputThenDrain(1, 5), "6 steps")
    SpikingNetwork(network, changed.plan)
    (remedy,) = remedies.longer(plan)
    assert remedy.options == {"steps": 6}
    assert diagnose(SpikingNetwork(network, plan), batch).findings


@pytest.mark.parametrize("method", [methods.differential, methods.every_edge], ids=lambda method: method.name)
def test_chips_say_what_of_it_they_do_not_have(method: Any) -> None:
    network = mixer(["gate", "gelu"])
    fit = hardware.check(SpikingNetwork(network, method(network, images(network, 8), steps=2)), hardware.ALL[0])
    assert not fit.fits
    kinds = " ".join(broken.found for broken in fit.broken if broken.limit == "operations")
    assert all(kind in kinds for kind in ("LayerNorm", "Multiply", "Activation"))


def test_recurrent_layers_are_refused() -> None:
    nodes = (
        Input("x", (), (3,)),
        Linear("in", ("x",), torch.eye(3)),
        Activation("first", ("in",), Sigmoid(), "cell"),
        Linear("again", ("first",), torch.eye(3)),
        Activation("second", ("again",), Sigmoid(), "cell"),
    )
    with pytest.raises(InvalidPlan, match="'first' is recurrent"):
        methods.differential(Network(nodes, ("second",)), torch.rand(8, 3))
