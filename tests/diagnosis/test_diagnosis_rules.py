"""The rules: a fault put in on purpose is found, in its layer, and undoing it is what helps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from networks import Builder, images
from respike import Diagnosis, MomentaryMax, SpikeCount, SpikingNetwork, diagnose, methods
from respike.coding import Bernoulli
from respike.diagnosis.remedies import remedies
from respike.diagnosis.rules import ALWAYS, RULES
from respike.ir import Activation, Add, Input, Linear, MaxPool, Network, Node, ReLU
from respike.plan import Plan, Site
from respike.schedule import InputThenDrain, Steady

STEPS = 256


def _perceptron() -> Network:
    builder = Builder((10,), 1)
    for number, (inputs, outputs) in enumerate(itertools.pairwise((10, 40, 40, 40)), 1):
        weight = builder.random(outputs, inputs) * (2 / inputs) ** 0.5
        builder.put(Linear(f"fc{number}", (builder.last,), weight, builder.random(outputs) / 8))
        builder.relu()
    builder.put(Linear("out", (builder.last,), builder.random(4, 40) / 40**0.5))
    return Network(tuple(builder.nodes), ("out",), "faulty")


NETWORK = _perceptron()
FIRST, SECOND, THIRD = (node.name for node in NETWORK.activations)


def _decided(network: Network, count: int) -> tuple[Tensor, Tensor]:
    """The images on which a network decides most clearly, and its decisions: conversion alone can go wrong."""
    many = images(network, 3 * count)
    two = network(many).topk(2).values
    clear = many[(two[:, 0] - two[:, 1]).argsort(descending=True)[:count]]
    return clear, network(clear).argmax(1)


IMAGES, LABELS = _decided(NETWORK, 150)
HEALTHY = replace(methods.max_norm(NETWORK, IMAGES, steps=STEPS), method="")


def _diagnosed(plan: Plan) -> Diagnosis:
    return diagnose(SpikingNetwork(NETWORK, plan), IMAGES, LABELS)


def _undecided(plan: Plan, network: Network = NETWORK) -> Diagnosis:
    """On images that are close to call, by agreement: for faults that decisions mostly survive."""
    return diagnose(SpikingNetwork(network, plan), images(network, 150, seed=1), tolerance=0.0)


def _with(name: str, change: Callable[[Site], Site]) -> Plan:
    return replace(HEALTHY, sites={**HEALTHY.sites, name: change(HEALTHY.sites[name])})


def _scaled(name: str, factor: float) -> Plan:
    return _with(name, lambda one: replace(one, threshold=one.threshold * factor, spike_value=one.value * factor))


def _found(diagnosis: Diagnosis) -> dict[str, tuple[str, ...]]:
    return {finding.rule: finding.layers for finding in diagnosis.findings}


@pytest.mark.parametrize(
    "plan",
    [
        HEALTHY,
        methods.few_spikes(NETWORK, IMAGES, steps=8),
        methods.fit(NETWORK, input_steps=128, drain_steps=128, threshold=4.0),
        methods.ecc(NETWORK, IMAGES, steps=STEPS, encoder=False),
    ],
    ids=lambda plan: plan.method or "by hand",
)
def test_of_a_healthy_network_nothing_is_said(plan: Plan) -> None:
    found = _diagnosed(plan)
    assert (found.healthy, found.first_loss, found.findings) == (True, None, ())
    assert found.before.accuracy == 1.0


@pytest.mark.parametrize("name", [FIRST, SECOND, THIRD])
def test_a_scale_that_is_too_small_in_one_layer_is_saturation_of_that_layer(name: str) -> None:
    found = _diagnosed(_scaled(name, 0.02))
    assert found.first_loss == name
    best = found.findings[0]
    assert (best.rule, best.layers) == ("saturation", (name,))
    assert best.tried >= 0.99 > found.after.accuracy
    assert "50 times" in best.why
    assert "raise threshold and spike_value" in best.advice


@pytest.mark.parametrize("name", [FIRST, SECOND, THIRD])
def test_a_scale_that_is_too_large_in_one_layer_is_a_range_wasted_there(name: str) -> None:
    found = _diagnosed(_scaled(name, 60))
    assert found.first_loss == name
    best = found.findings[0]
    assert (best.rule, best.layers) == ("wasted_range", (name,))
    assert best.observed == pytest.approx(1 / 60)
    assert best.tried >= 0.99


def test_spikes_of_a_wrong_value() -> None:
    found = _diagnosed(_with(SECOND, lambda one: replace(one, spike_value=one.threshold * 0.05)))
    best = found.findings[0]
    assert (best.rule, best.layers, best.tried) == ("spike_value", (SECOND,), 1.0)
    assert best.observed == pytest.approx(0.05)
    layer = found.layers[1]
    assert layer.own.gain == pytest.approx(0.05, rel=0.1)


def test_a_percentile_that_is_far_too_low() -> None:
    found = _diagnosed(methods.percentile_norm(NETWORK, IMAGES, steps=STEPS, percentile=5))
    best = found.findings[0]
    assert best.rule == "saturation"
    assert FIRST in best.layers
    assert best.observed > 0.5
    assert best.advice == "percentile=99.9; or methods.max_norm"
    assert _diagnosed(methods.percentile_norm(NETWORK, IMAGES, steps=STEPS, percentile=99.9)).healthy


def test_too_few_steps() -> None:
    found = _diagnosed(methods.max_norm(NETWORK, IMAGES, steps=3))
    assert "steps=6, more time" in [one.advice for one in found.findings if one.rule == "steps"]
    assert "saturation" not in _found(found)


def test_accuracy_that_still_rises_asks_for_time_whatever_the_layers_look_like() -> None:
    fine = replace(HEALTHY, sites={name: replace(one, initial_potential=0.0) for name, one in HEALTHY.sites.items()})
    spiking = SpikingNetwork(NETWORK, fine.with_schedule(Steady(8)))
    found = diagnose(spiking, IMAGES, LABELS, try_changes=False)
    (steps,) = (one for one in found.findings if one.rule == "steps")
    rise = found.over_time[7] - found.over_time[5]
    assert rise > 0.01
    assert steps.observed == pytest.approx(rise)


def test_few_bits_of_few_spikes_neurons() -> None:
    plan = methods.few_spikes(
        NETWORK, IMAGES, steps=2, least_squares=False, half_unit=False, correct_bias=False, per_channel=False
    )
    found = _undecided(plan)
    advice = {one.rule: one.advice for one in found.findings}
    assert advice["rounding_down"] == "half_unit=True, which rounds to the nearest"
    assert max(one.tried for one in found.findings) > found.after.agreement


def test_an_alpha_that_is_too_small() -> None:
    found = _diagnosed(methods.few_spikes(NETWORK, IMAGES, steps=6, alpha=0.05))
    best = found.findings[0]
    assert best.rule == "saturation"
    assert best.advice.startswith("alpha=None")
    assert best.tried >= 0.98


def test_a_reset_that_forgets() -> None:
    plan = methods.threshold_balancing(NETWORK, IMAGES, steps=STEPS)
    small = {
        name: replace(one, threshold=one.threshold * 0.5, spike_value=one.value * 0.5)
        for name, one in plan.sites.items()
    }
    found = _diagnosed(replace(plan, sites=small))
    hard = next(one for one in found.findings if one.rule == "hard_reset")
    assert hard.advice == "reset=Subtract()"
    assert hard.tried > found.after.agreement
    assert "rounding_down" not in _found(found)


def test_neurons_that_round_down() -> None:
    found = _diagnosed(HEALTHY.with_schedule(Steady(6)))
    down = next(one for one in found.findings if one.rule == "rounding_down")
    assert down.observed < -0.05
    assert "refine.initial_potential" in down.advice
    assert down.tried > found.after.accuracy


def test_silent_neurons() -> None:
    found = _diagnosed(HEALTHY.with_schedule(Steady(3)))
    quiet = next(one for one in found.findings if one.rule == "silent")
    assert max(layer.silent for layer in found.layers) == quiet.observed > 0.1
    assert quiet.tried > found.after.accuracy


def test_input_spikes_that_are_noisy() -> None:
    found = _undecided(replace(HEALTHY, coding=Bernoulli(seed=1), schedule=Steady(16)))
    noisy = next(one for one in found.findings if one.rule == "noisy_input")
    assert noisy.layers == (FIRST,)
    assert noisy.tried > found.after.agreement


def test_output_neurons_that_saturate() -> None:
    found = _diagnosed(replace(HEALTHY, readout=SpikeCount(Site(1e-3))))
    assert found.first_loss == "readout"
    (finding,) = found.findings
    assert (finding.rule, finding.layers) == ("readout", ())
    assert finding.tried == found.layers[-1].replaced.accuracy >= 0.99


def test_biases_that_flow_on_while_draining() -> None:
    found = _undecided(methods.fit(NETWORK, input_steps=32, drain_steps=96, bias_while_draining=True))
    best = found.findings[0]
    assert (best.rule, best.advice) == ("draining_bias", "bias_while_draining=False")
    assert best.tried > found.after.agreement


def test_max_pools_of_momentary_currents() -> None:
    builder = Builder((2, 12, 12), 5)
    for _ in range(2):
        builder.conv(6)
        builder.put(MaxPool(builder.name("pool"), (builder.last,), (3, 3), (2, 2), (0, 0), (1, 1)))
        builder.relu()
    network = builder.network()
    plan = methods.max_norm(network, images(network, 50), steps=64)
    found = _undecided(replace(plan, max_pooling=MomentaryMax()), network)
    momentary = next(one for one in found.findings if one.rule == "momentary_max")
    assert momentary.layers == (network.activations[1].name,)
    assert momentary.tried > found.after.agreement


def test_spikes_that_cannot_be_recalled() -> None:
    """Excitation comes at once, and what cancels it seldom and in large pieces, when spikes have gone out already."""
    eye = torch.eye(6, dtype=torch.float64)
    nodes = (
        Input("x", (), (6,)),
        Activation("early", ("x",), ReLU()),
        Linear("weak", ("x",), 0.1 * eye),
        Activation("late", ("weak",), ReLU()),
        Linear("less", ("late",), -9 * eye),
        Add("rest", ("early", "less")),
        Activation("tenth", ("rest",), ReLU()),
        Linear("out", ("tenth",), torch.tensor([[1.0] * 6, [0.0] * 6]).double(), torch.tensor([0.0, 1.2]).double()),
    )
    network = Network(nodes, ("out",))
    sites = {"early": Site(1.0), "late": Site(0.5), "tenth": Site(1.0)}
    found = diagnose(SpikingNetwork(network, Plan(sites, InputThenDrain(20, 40))), images(network, 60))
    early = next(one for one in found.findings if one.rule == "too_early")
    assert (found.first_loss, early.layers) == ("tenth", ("tenth",))
    assert early.tried > found.after.agreement
    assert "few_spikes" in early.advice


def test_a_network_that_is_wrong_itself_comes_first() -> None:
    wrong = (LABELS + 1) % 4
    found = diagnose(SpikingNetwork(NETWORK, HEALTHY), IMAGES, wrong)
    assert found.healthy
    assert _found(found) == {"wrong_network": ()}
    broken = diagnose(SpikingNetwork(NETWORK, _scaled(FIRST, 60)), IMAGES, wrong)
    assert broken.findings[0].rule == "wrong_network"


def test_a_layer_that_the_images_leave_dead() -> None:
    """The network decides by its last bias alone, and a spiking output too coarse to carry it."""
    one = torch.ones(4, 4, dtype=torch.float64)
    nodes = (
        Input("x", (), (4,)),
        Linear("low", ("x",), one, -100 * one[0]),
        Activation("never", ("low",), ReLU()),
        Linear("out", ("never",), one, torch.arange(4).double()),
    )
    network = Network(nodes, ("out",))
    spiking = SpikingNetwork(network, Plan({"never": Site(1.0)}, Steady(2), readout=SpikeCount(Site(100.0))))
    found = diagnose(spiking, images(network, 20), torch.full((20,), 3))
    (layer,) = found.layers
    assert (layer.dead, layer.silent) == (1.0, 0.0)
    assert _found(found) == {"readout": (), "dead": ("never",)}


def test_errors_that_only_add_up() -> None:
    """A tenth too much in each of eight layers, which is within what a spike may deliver of one alone."""
    nodes: list[Node] = [Input("x", (), (5,))]
    for number in range(8):
        nodes.append(Activation(f"a{number}", (nodes[-1].name,), ReLU()))
    weight = torch.tensor([[1.0] * 5, [0.0] * 5], dtype=torch.float64)
    nodes.append(Linear("out", (nodes[-1].name,), weight, torch.tensor([0.0, 3.0], dtype=torch.float64)))
    network = Network(tuple(nodes), ("out",))
    sites = {f"a{number}": Site(1.0, spike_value=1.04) for number in range(8)}
    found = diagnose(SpikingNetwork(network, Plan(sites, Steady(300))), images(network, 300), try_changes=False)
    assert _found(found) == {"accumulated": ("a7",)}
    assert found.findings[0].observed > 2.5


def test_where_no_rule_speaks_the_first_layer_to_lose_is_named() -> None:
    nodes = (
        Input("x", (), (5,)),
        Activation("a", ("x",), ReLU()),
        Linear("out", ("a",), torch.tensor([[1.0] * 5, [0.0] * 5]), torch.tensor([0.0, 2.5])),
    )
    network = Network(nodes, ("out",))
    spiking = SpikingNetwork(network, Plan({"a": Site(1.0, spike_value=1.04)}, Steady(300)))
    batch = images(network, 300)
    close = batch[(batch.sum(1) - 2.45).abs() < 0.05]
    found = diagnose(spiking, close)
    assert _found(found) == {"unexplained": ("a",)}
    assert "most is lost with a" in found.findings[0].why


@pytest.mark.parametrize("method", methods.ALL, ids=lambda method: method.name)
def test_what_methods_advise_can_be_done(method: methods.Method[Any]) -> None:
    options = {name: option.default for name, option in method.options.items()} | {"drain_steps": 3}
    plan = replace(HEALTHY, method=method.name, options=options)
    rules = {rule.__name__ for rule in (*ALWAYS, *RULES)} | {"unexplained"}
    assert method.remedies.keys() <= rules
    for rule, advise in method.remedies.items():
        for switched in ({}, {name: True for name, value in options.items() if value is False}):
            for remedy in advise(replace(plan, options=options | switched), 0.5):
                owner = methods.find(remedy.method) if remedy.method else method
                assert remedy.options.keys() <= owner.options.keys(), rule
                assert remedy.options or remedy.method


@pytest.mark.parametrize("method", methods.ALL, ids=lambda method: method.name)
def test_no_advice_is_to_leave_an_option_as_it_is(method: methods.Method[Any]) -> None:
    options = {name: option.default for name, option in method.options.items()} | {"drain_steps": 3}
    plan = replace(HEALTHY, method=method.name, options=options)
    for rule in (*method.remedies, "rounding_down", "saturation"):
        for switched in ({}, {name: not value for name, value in options.items() if isinstance(value, bool)}):
            now = options | switched
            advised = remedies(rule, replace(plan, options=now), method, 0.5)
            assert advised
            for remedy in advised:
                if remedy.options and remedy.method in ("", method.name):
                    assert remedy.options.items() - now.items(), (rule, remedy)


def test_every_rule_has_a_test_and_a_line_in_the_documentation() -> None:
    tests = Path(__file__).read_text()
    page = (Path(__file__).parents[2] / "docs" / "guides" / "diagnose.md").read_text()
    for name in [*(rule.__name__ for rule in (*ALWAYS, *RULES)), "unexplained"]:
        assert f'"{name}"' in tests, name
        assert f"`{name}`" in page, name


def test_a_threshold_that_outliers_have_set_is_found_and_percentiles_are_tried() -> None:
    """One image among the calibration images is far brighter than all others, as far as max_norm can see."""
    many = images(NETWORK, 4000)
    outlier = torch.cat((many, 12 * many[:1]))
    plan = methods.max_norm(NETWORK, outlier, steps=8)
    shown, labels = outlier, NETWORK(outlier).argmax(1)
    found = diagnose(SpikingNetwork(NETWORK, plan), shown, labels, calibration=outlier)
    (finding,) = [one for one in found.findings if one.rule == "outliers"]
    assert finding.observed < finding.threshold == 0.5
    assert finding.layers == (FIRST, SECOND, THIRD)
    (attempt,) = finding.attempts
    assert (attempt.remedy.method, attempt.remedy.options) == ("percentile_norm", {"percentile": 99.9})
    again = methods.percentile_norm(NETWORK, outlier, percentile=99.9, steps=8)
    right = (SpikingNetwork(NETWORK, again)(shown).argmax(1) == labels).double().mean()
    assert attempt.decision == pytest.approx(float(right))
    assert attempt.decision > found.after.decision


def test_advice_is_tried_and_ranked_by_what_it_gained() -> None:
    plan = methods.max_norm(NETWORK, IMAGES, steps=4)
    found = diagnose(SpikingNetwork(NETWORK, plan), IMAGES, LABELS, calibration=IMAGES)
    tried = [finding.best for finding in found.findings if finding.best == finding.best]
    assert tried == sorted(tried, reverse=True)
    attempts = [finding.attempts for finding in found.findings if finding.attempts]
    assert attempts
    for finding in found.findings:
        scores = [attempt.decision for attempt in finding.attempts]
        assert scores == sorted(scores, reverse=True)
        assert finding.remedies[: len(scores)] == tuple(attempt.remedy for attempt in finding.attempts)
    named = {attempt.remedy.method for each in attempts for attempt in each}
    untried = diagnose(SpikingNetwork(NETWORK, plan), IMAGES, LABELS)
    assert not any(finding.attempts for finding in untried.findings if finding.remedies[0].method)
    assert named <= {"", *(method.name for method in methods.ALL)}


def test_the_layer_that_loses_most_is_named_beside_the_first() -> None:
    found = _undecided(_scaled(SECOND, 6.0))
    assert found.most_loss == max(found.losses, key=lambda name: found.losses[name])
    assert found.first_loss in found.losses
