"""Early exit: the bound never decides otherwise than the last step, and both rules do what their definitions say."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from networks import Builder, images, networks, perceptrons
from respike import SpikeCount, SpikingNetwork, measure, simulate
from respike.cli.evaluating import exit_rule
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import Activation, Input, Linear, MaxPool, Network, ReLU
from respike.measure.early_exit import Bound, Margin, exiting
from respike.neurons import FewSpikes, IntegrateFire, Neuron, SignedIntegrateFire
from respike.plan import Plan, Site
from respike.schedule import InputThenDrain, Layerwise, Schedule, Steady

SCHEDULES = (Steady(12), InputThenDrain(6, 8), InputThenDrain(5, 7, bias_while_draining=True))


def _plan(network: Network, schedule: Schedule, neuron: Neuron | None = None, counted: bool = False) -> Plan:
    site = Site(0.3, 0.25, neuron=neuron or IntegrateFire())
    plan = Plan({node.name: site for node in network.activations}, schedule)
    return replace(plan, readout=SpikeCount(replace(site, threshold=0.5))) if counted else plan


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    network=st.one_of(networks(), perceptrons()),
    schedule=st.sampled_from(SCHEDULES),
    signed=st.booleans(),
    counted=st.booleans(),
    single=st.booleans(),
)
def test_the_bound_decides_as_the_last_step_does(
    network: Network, schedule: Schedule, signed: bool, counted: bool, single: bool
) -> None:
    network = network.to(torch.float32) if single else network
    plan = _plan(network, schedule, SignedIntegrateFire() if signed else None, counted)
    try:
        exits = exiting(Bound(), network, plan)
    except InvalidPlan:
        reject()  # a max pool behind the last population
    outputs = simulate(SpikingNetwork(network, plan), images(network, 24)).outputs_over_time
    at = exits(outputs)
    decided = outputs.argmax(-1)
    assert torch.equal(decided[at - 1, torch.arange(24)], decided[-1])


@settings(max_examples=25, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10**6), signed=st.booleans(), left=st.integers(1, 4), drained=st.booleans())
def test_the_bound_is_the_worst_that_any_spikes_can_do(seed: int, signed: bool, left: int, drained: bool) -> None:
    """Beside all patterns of spikes of the last population, tried one by one in numpy: safe exactly if none overtakes.

    A step has the same choices whatever was before it, so the worst of all patterns of one step, `left` times.
    """
    random = np.random.default_rng(seed)
    weight, bias, lead = random.normal(size=(3, 5)), random.normal(size=3) / 4, random.normal(size=3) * 4 * left
    network = Network(
        (
            Input("x", (), (4,)),
            Linear("in", ("x",), torch.ones(5, 4).double(), None),
            Activation("relu", ("in",), ReLU()),
            Linear("out", ("relu",), torch.tensor(weight), torch.tensor(bias)),
        ),
        ("out",),
    )
    values = torch.tensor(random.uniform(0.1, 2, size=5))
    site = Site(values, values, neuron=SignedIntegrateFire() if signed else IntegrateFire())
    schedule = InputThenDrain(1, left) if drained else Steady(1 + left)
    outputs = torch.zeros(1 + left, 1, 3, dtype=torch.float64)
    outputs[0, 0] = torch.tensor(lead)
    at = int(exiting(Bound(), network, Plan({"relu": site}, schedule))(outputs)[0])
    leader = int(lead.argmax())
    patterns = np.array(list(itertools.product((-1, 0, 1) if signed else (0, 1), repeat=5)))
    changes = patterns @ (weight * values.numpy()).T + (0 if drained else bias)
    overtaking = (changes - changes[:, [leader]]).max(0) * left + lead - lead[leader]
    worst = np.delete(overtaking, leader).max()
    if abs(worst) > 1e-9:
        assert (at == 1) == (worst < 0)


def test_what_reaches_the_outputs_without_spiking_has_no_bound() -> None:
    builder = Builder((3,), 0)
    builder.put(Linear("out", ("x",), builder.random(3, 3)))
    linear = Network(tuple(builder.nodes), ("out",))
    with pytest.raises(InvalidPlan, match=r"'x' \(the input\) reaches the outputs"):
        exiting(Bound(), linear, _plan(linear, Steady(4)))
    builder = Builder((2, 4, 4), 0)
    builder.conv(3)
    builder.relu()
    builder.put(MaxPool("max", (builder.last,), (2, 2), (2, 2), (0, 0), (1, 1), ceil_mode=False))
    pooled = builder.network()
    with pytest.raises(InvalidPlan, match=r"'max' \(MaxPool\) reaches the outputs"):
        exiting(Bound(), pooled, _plan(pooled, Steady(4)))
    with pytest.raises(InvalidPlan, match="does not apply to few-spikes networks"):
        exiting(Bound(), linear, _plan(linear, Layerwise(4), FewSpikes(4)))


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    threshold=st.floats(0, 1),
    running=st.integers(1, 3),
    schedule=st.sampled_from((Steady(7), InputThenDrain(3, 4))),
)
def test_the_margin_by_its_definition(seed: int, threshold: float, running: int, schedule: Schedule) -> None:
    network = _network()
    outputs = np.random.default_rng(seed).normal(size=(7, 5, 4)).cumsum(0)
    found = exiting(Margin(threshold, running), network, _plan(network, schedule))(torch.tensor(outputs))
    for image, at in enumerate(found.tolist()):
        assert at == next((t for t in range(1, 7) if _sure(outputs[:t, image], threshold, running, schedule)), 7)


def _sure(outputs: np.ndarray[tuple[int, int], np.dtype[np.float64]], least: float, run: int, s: Schedule) -> bool:
    """Whether the last `run` steps have one leader, each time far enough ahead."""
    leaders = set()
    for t in range(len(outputs) - run + 1, len(outputs) + 1):
        if t < 1:
            return False
        powers = np.exp(outputs[t - 1] / min(t, s.input_steps))
        ordered = np.sort(powers / powers.sum())
        leaders.add(int(outputs[t - 1].argmax()))
        if ordered[-1] - ordered[-2] < least:
            return False
    return len(leaders) == 1


def test_the_report_tells_what_exits_give() -> None:
    network = _network()
    spiking = SpikingNetwork(network, _plan(network, Steady(9)))
    batch, labels = images(network, 150), torch.arange(150) % 4
    report = measure(spiking, (batch, labels), early_exit=Margin(0.02))
    assert replace(report, early_exit=None, seconds=0) == replace(measure(spiking, (batch, labels)), seconds=0)
    outputs = simulate(spiking, batch).outputs_over_time
    at = exiting(Margin(0.02), network, spiking.plan)(outputs)
    decided = outputs.argmax(-1)[at - 1, torch.arange(150)]
    exits = report.early_exit
    assert exits is not None
    assert (exits.rule, exits.exits_per_step) == ("margin=0.02", [int((at == t).sum()) for t in range(1, 10)])
    assert exits.steps_used == pytest.approx(float(at.double().mean()))
    assert 0 < exits.exited == pytest.approx(float((at < 9).double().mean()))
    assert exits.accuracy == pytest.approx(float((decided == labels).double().mean()))
    assert exits.agreement == pytest.approx(float((decided == outputs[-1].argmax(-1)).double().mean()))
    assert '"rule": "margin=0.02"' in report.to_json()


@pytest.mark.parametrize("rule", [Bound(), Margin(0.1), Margin(0.25, 5)])
def test_a_rule_is_read_as_it_is_written(rule: Bound | Margin) -> None:
    assert exit_rule(str(rule)) == rule


@pytest.mark.parametrize("text", ["bond", "margin", "margin=", "margin=x", "margin=2", "margin=0.1,steps=0", ""])
def test_other_rules_are_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"--early-exit takes|margin"):
        exit_rule(text)


def _network() -> Network:
    builder = Builder((2, 4, 4), 1)
    builder.conv(3)
    builder.relu()
    return builder.network()
