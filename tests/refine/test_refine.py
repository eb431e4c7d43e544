"""Refinements: what each one claims, that plans say what was done to them, and what does not fit."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from networks import Builder, images
from respike import Probe, SpikingNetwork, measure, methods, refine, simulate
from respike.coding import IntegrateEncoder
from respike.engines import Engine, batched, count, event, reference
from respike.errors import InvalidOption, InvalidPlan, UnknownName
from respike.ir import MaxPool, Network, evaluate
from respike.measure.early_exit import Bound, EarlyExit, Margin, exiting
from respike.plan import MomentaryMax, Plan, Site, SpikeCount
from respike.refine import Refinement, Step
from respike.schedule import InputThenDrain


def network(seed: int = 3) -> Network:
    """Three populations, a pool and a sum of two ways."""
    builder = Builder((2, 6, 6), seed)
    builder.conv(4)
    builder.relu()
    builder.put(MaxPool(builder.name("pool"), (builder.last,), (2, 2), (2, 2), (0, 0), (1, 1)))
    builder.block("residual")
    builder.conv(3)
    builder.relu()
    builder.conv(5)
    return builder.network()


NETWORK = network()
IMAGES = images(NETWORK, 60)
FIRST = NETWORK.activations[0].name


def plans() -> dict[str, Plan]:
    """Plans of all kinds of neurons and codings."""
    steady = methods.percentile_norm(NETWORK, IMAGES, steps=12)
    finer = replace(steady, sites={name: Site(site.threshold / 200) for name, site in steady.sites.items()})
    return {
        "steady": steady,
        "encoded": refine.encoder(steady, NETWORK, IMAGES),
        "signed": refine.signed(steady),
        "burst": refine.burst(steady, most=3),
        "long bursts": refine.burst(finer, most=1000),
        "multi-threshold": methods.multi_threshold(NETWORK, IMAGES, steps=3, correct_bias=False),
        "few": methods.few_spikes(NETWORK, IMAGES, steps=3, correct_bias=False),
    }


def inputs(plan: Plan, name: str) -> tuple[Tensor, Tensor]:
    """The mean input of each channel of a population: in the network, and decoded from the spikes of a simulation."""
    counts = simulate(SpikingNetwork(NETWORK, plan), IMAGES, Probe(spikes=list(plan.sites)), engine=batched)
    values: dict[str, Tensor] = {}
    for node in NETWORK.nodes:
        if node.name in plan.sites:
            site, spikes = plan.sites[node.name], counts.spikes[node.name]
            worth = torch.tensor(site.neuron.worth or [1 / plan.decoding] * len(spikes), dtype=spikes.dtype)
            values[node.name] = torch.tensordot(worth, spikes, dims=1) * site.like(spikes[0]).spike_value
        elif node.inputs:
            values[node.name] = evaluate(node, [values[one] for one in node.inputs])
        else:
            values[node.name] = IMAGES
            if plan.coding.spiking:
                values[node.name] = plan.coding.stream(IMAGES).take(plan.schedule.steps).mean(0)
    (before,) = next(node.inputs for node in NETWORK.nodes if node.name == name)
    wanted = NETWORK.values((IMAGES,), keep=[before])[before]
    return wanted.transpose(0, 1).flatten(1).mean(1), values[before].transpose(0, 1).flatten(1).mean(1)


@pytest.mark.parametrize("kind", ["steady", "encoded", "signed", "burst", "long bursts", "multi-threshold", "few"])
def test_correct_biases_gives_every_channel_the_mean_input_of_the_network(kind: str) -> None:
    before = plans()[kind]
    after = refine.correct_biases(before, NETWORK, IMAGES)
    for name, site in after.sites.items():
        wanted, found = inputs(after, name)
        torch.testing.assert_close(found + torch.as_tensor(site.extra_current), wanted, rtol=1e-9, atol=1e-9)
    last = NETWORK.activations[-1].name
    wanted, found = inputs(before, last)
    assert float((found - wanted).abs().max()) > 1e-4  # there was something to correct


@pytest.mark.parametrize("kind", ["steady", "encoded", "signed", "burst"])
@pytest.mark.parametrize("refinement", [refine.correct_biases, refine.fit_thresholds], ids=lambda one: one.name)
def test_each_step_gives_every_channel_the_mean_input_of_the_network_in_every_step(
    kind: str, refinement: Refinement[Any]
) -> None:
    """Against the currents of a simulation, step by step, through the max pool of what is accumulated."""
    plan = refinement(plans()[kind], NETWORK, IMAGES, each_step=True)
    record = simulate(SpikingNetwork(NETWORK, plan), IMAGES, Probe(spikes=list(plan.sites)), engine=batched)
    steps = plan.schedule.steps
    values: dict[str, Tensor] = {}
    for node in NETWORK.nodes:
        if node.name in plan.sites:
            site = plan.sites[node.name]
            current = values[node.inputs[0]].transpose(1, 2).flatten(2).mean(2)
            (before,) = node.inputs
            wanted = NETWORK.values((IMAGES,), keep=[before])[before].transpose(0, 1).flatten(1).mean(1)
            added = torch.as_tensor(site.extra_current) + (0 if site.transient is None else site.transient)
            torch.testing.assert_close(current + added, wanted.expand(steps, -1), rtol=1e-9, atol=1e-9)
            assert (site.transient is None) == bool((current == current[0]).all())
            spikes = record.spikes[node.name]
            values[node.name] = spikes * site.like(spikes[0]).spike_value
        elif isinstance(node, MaxPool):
            sums = values[node.inputs[0]].cumsum(0)
            maxima = torch.stack([evaluate(node, [one]) for one in sums])
            values[node.name] = maxima.diff(dim=0, prepend=torch.zeros_like(maxima[:1]))
        elif node.inputs:
            each = zip(*(values[one] for one in node.inputs), strict=True)
            values[node.name] = torch.stack([evaluate(node, list(one)) for one in each])
        elif plan.coding.spiking:
            values[node.name] = plan.coding.stream(IMAGES).take(steps)
        else:
            values[node.name] = IMAGES.expand(steps, *IMAGES.shape)
    assert sum(site.transient is not None for site in plan.sites.values()) >= 3


def test_calibrate_potentials_lessens_the_mean_error_of_what_is_sent() -> None:
    def errors(plan: Plan) -> Tensor:
        record = simulate(SpikingNetwork(NETWORK, plan), IMAGES)
        exact = NETWORK.values((IMAGES,), keep=list(plan.sites))
        sent = {name: record.spike_counts[name] * site.like(IMAGES).spike_value for name, site in plan.sites.items()}
        return torch.stack([(sent[name] / plan.decoding - exact[name]).mean().abs() for name in plan.sites])

    before = methods.max_norm(NETWORK, IMAGES, steps=12)
    assert bool((errors(refine.calibrate_potentials(before, NETWORK, IMAGES)) < errors(before) / 2).all())


@pytest.mark.parametrize("fit", [refine.fit_values, refine.fit_thresholds], ids=lambda one: one.name)
@pytest.mark.parametrize("kind", ["steady", "encoded", "signed", "burst", "few"])
def test_fitted_values_make_what_is_sent_the_best_linear_estimate_of_the_activations(
    kind: str, fit: Refinement[Any]
) -> None:
    before = plans()[kind]
    after = fit(before, NETWORK, IMAGES)
    record = simulate(SpikingNetwork(NETWORK, after), IMAGES, Probe(spikes=list(after.sites)), engine=batched)
    exact = NETWORK.values((IMAGES,), keep=list(after.sites))
    fitted = 0
    for name, site in after.sites.items():
        wanted, found = inputs(after, name)
        torch.testing.assert_close(found + torch.as_tensor(site.extra_current), wanted, rtol=1e-9, atol=1e-9)
        spikes = record.spikes[name]
        worth = torch.tensor(site.neuron.worth or [1 / after.decoding] * len(spikes), dtype=spikes.dtype)
        sent = torch.tensordot(worth, spikes, dims=1) * site.like(spikes[0]).spike_value
        sent, wanted = (values.transpose(0, 1).flatten(1) for values in (sent, exact[name]))
        if name != NETWORK.activations[-1].name:  # nobody corrects the mean of the outputs: through the origin there
            sent, wanted = (values - values.mean(1, keepdim=True) for values in (sent, wanted))
        slopes = (sent * wanted).sum(1) / sent.square().sum(1)
        factors = torch.as_tensor(site.value / site.threshold).expand(len(slopes))
        inside = (factors > 0.7) & (factors < 1.4) & slopes.isfinite()  # some channels are silent
        torch.testing.assert_close(slopes[inside], torch.ones_like(slopes[inside]))
        fitted += int(inside.sum())
    assert fitted > 3


@pytest.mark.parametrize("kind", ["steady", "encoded", "signed", "burst", "multi-threshold", "few"])
def test_fitted_thresholds_send_the_activations_of_the_first_layer_better_than_any_beside_them(kind: str) -> None:
    """Of the first layer, whose currents no other choice changes: each channel against a simulation of every pair."""
    plan = refine.initial_potential(plans()[kind])
    chosen = refine.fit_thresholds(plan, NETWORK, IMAGES).sites[FIRST]
    exact = NETWORK.values((IMAGES,), keep=[FIRST])[FIRST]

    def error(threshold: Any, start: Any) -> Tensor:
        site = replace(plan.sites[FIRST], threshold=threshold, spike_value=threshold, initial_potential=start)
        tried = replace(plan, sites={**plan.sites, FIRST: replace(site, extra_current=chosen.extra_current)})
        record = simulate(SpikingNetwork(NETWORK, tried), IMAGES, Probe(spikes=[FIRST]), engine=batched)
        spikes = record.spikes[FIRST]
        worth = torch.tensor(site.neuron.worth or [1 / plan.decoding] * len(spikes), dtype=spikes.dtype)
        sent: Tensor = torch.tensordot(worth, spikes, dims=1) * site.like(spikes[0]).spike_value
        return (sent - exact).square().mean((0, 2, 3))

    best = error(chosen.threshold, chosen.initial_potential)
    threshold = torch.as_tensor(plan.sites[FIRST].threshold, dtype=torch.float64)
    for factor in (0.8, 1.0, 1.25):
        for share in (0.1, 0.3, 0.5):
            assert bool((best <= error(factor * threshold, factor * threshold * share) * (1 + 1e-9)).all())
    # Few spikes see their whole input at once, so that least squares has nothing left to gain in the first layer.
    assert kind == "few" or bool((best < error(threshold, threshold / 2)).any())


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("kind", ["steady", "burst", "few"])
def test_least_squares_is_better_than_thresholds_beside_it(kind: str, share: float) -> None:
    """Of the first layer, whose input is constant: there the rounding is the one that is minimised, exactly."""
    started = refine.initial_potential(plans()[kind], share=share)
    many = images(NETWORK, 400)
    plan = refine.least_squares(started, NETWORK, many)
    (before,) = NETWORK.activations[0].inputs
    given = NETWORK.values((many,), keep=[before])[before]

    def error(factor: float) -> Tensor:
        site = plan.sites[FIRST]
        threshold = site.like(given).threshold * factor / (1 if site.neuron.window else plan.decoding)
        most = site.neuron.largest * (1 if site.neuron.window else plan.schedule.steps)
        sent = threshold * (given / threshold + share).floor().clamp(0, most)
        return (sent - given.relu()).square().mean()  # of all channels: one that hardly spikes follows its layer

    best = error(1.0)
    assert float(torch.as_tensor(plan.sites[FIRST].initial_potential / plan.sites[FIRST].threshold).min()) == share
    for factor in (0.5, 0.8, 0.9, 1.1, 1.2, 2.0):
        assert best <= error(factor) * 1.03, factor


def test_half_a_threshold_rounds_the_first_layer_to_the_nearest() -> None:
    plan = refine.initial_potential(methods.max_norm(NETWORK, IMAGES, steps=8))
    counts = simulate(SpikingNetwork(NETWORK, plan), IMAGES).spike_counts[FIRST]
    exact = NETWORK.values((IMAGES,), keep=[FIRST])[FIRST]
    nearest = (8 * exact / plan.sites[FIRST].threshold + 0.5).floor().clamp(0, 8)
    assert float((counts != nearest).double().mean()) < 1e-3


@pytest.mark.parametrize("engine", [reference, batched, event], ids=lambda engine: engine.__name__)
@pytest.mark.parametrize("spiking", [False, True], ids=["potentials", "spikes"])
def test_a_late_readout_is_the_output_minus_the_early_one(engine: Engine, spiking: bool) -> None:
    plan = methods.max_norm(NETWORK, IMAGES, steps=12)
    if spiking:
        plan = refine.spiking_output(plan, NETWORK, IMAGES)
    whole = simulate(SpikingNetwork(NETWORK, plan), IMAGES, engine=engine).outputs_over_time
    late = SpikingNetwork(NETWORK, refine.read_late(plan, after=5))
    over_time = simulate(late, IMAGES, engine=engine).outputs_over_time
    assert torch.equal(over_time[5:], whole[5:] - whole[4])
    assert not over_time[:5].any()
    torch.testing.assert_close(late(IMAGES), (whole[-1] - whole[4]) / 7)
    torch.testing.assert_close(late.to_module()(IMAGES), late(IMAGES))
    assert measure(late, (IMAGES, NETWORK(IMAGES).argmax(1))).accuracy[-1] == pytest.approx(
        float((over_time[-1].argmax(1) == NETWORK(IMAGES).argmax(1)).double().mean())
    )


@pytest.mark.parametrize("rule", [Bound(), Margin(0.1)], ids=str)
def test_nobody_leaves_before_a_late_readout_starts(rule: EarlyExit) -> None:
    plan = refine.read_late(methods.max_norm(NETWORK, IMAGES, steps=12), after=5)
    over_time = simulate(SpikingNetwork(NETWORK, plan), IMAGES).outputs_over_time
    leaves = exiting(rule, NETWORK, plan)(over_time)
    assert int(leaves.min()) > 5
    if isinstance(rule, Bound):
        early = over_time[leaves - 1, torch.arange(len(leaves))]
        assert torch.equal(early.argmax(1), over_time[-1].argmax(1))


def test_late_readouts_that_do_not_fit() -> None:
    plan = methods.max_norm(NETWORK, IMAGES, steps=12)
    assert refine.read_late(plan).readout.after == 4
    for late in (12, -1):
        with pytest.raises(InvalidPlan, match="use 11 at most"):
            SpikingNetwork(NETWORK, replace(plan, readout=replace(plan.readout, after=late)))
    with pytest.raises(InvalidPlan, match="use 11 at most"):
        SpikingNetwork(NETWORK, refine.read_late(plan, after=12))
    with pytest.raises(InvalidOption, match="after must be 0 to"):
        refine.read_late(plan, after=-1)
    for other in (methods.fit(NETWORK, input_steps=4, drain_steps=8), plans()["few"]):
        with pytest.raises(InvalidPlan, match="steady schedule only"):
            SpikingNetwork(NETWORK, refine.read_late(other, after=1))
    with pytest.raises(InvalidPlan, match="no time"):
        count(NETWORK, refine.read_late(plan), IMAGES)


def test_residual_elimination_adds_its_charge_over_all_steps() -> None:
    plan = refine.residual_elimination(methods.max_norm(NETWORK, IMAGES, steps=8), eta=0.25)
    for site in plan.sites.values():
        assert 8 * site.extra_current == pytest.approx(0.25 * site.threshold)


def test_outputs_and_inputs_that_spike() -> None:
    plan = refine.spiking_output(methods.max_norm(NETWORK, IMAGES, steps=8), NETWORK, IMAGES)
    assert isinstance(plan.readout, SpikeCount)
    assert plan.readout.site.threshold == pytest.approx(float(NETWORK(IMAGES).max()))
    started = refine.initial_potential(plan)
    assert isinstance(started.readout, SpikeCount)
    assert started.readout.site.initial_potential == plan.readout.site.threshold / 2
    assert refine.encoder(plan, NETWORK, IMAGES).coding == IntegrateEncoder(max(1.0, float(IMAGES.max())))


def test_plans_say_how_they_were_refined_and_keep_it_in_files(tmp_path: Path) -> None:
    plan = refine.signed(refine.initial_potential(methods.max_norm(NETWORK, IMAGES, steps=4), share=0.25))
    assert plan.title == "max_norm + initial_potential + signed"
    assert plan.settings["refine"] == "initial_potential(share=0.25), signed"
    assert plan.cites == (*methods.max_norm.cites, *refine.initial_potential.cites, *refine.signed.cites)
    SpikingNetwork(NETWORK, plan).save(tmp_path / "net.respike")
    again = SpikingNetwork.load(tmp_path / "net.respike").plan
    assert (again.title, again.settings["refine"]) == (plan.title, plan.settings["refine"])
    plan = refine.correct_biases(plan, NETWORK, IMAGES, each_step=True)
    SpikingNetwork(NETWORK, plan).save(tmp_path / "net.respike")
    again = SpikingNetwork.load(tmp_path / "net.respike").plan
    for name, site in plan.sites.items():
        assert (site.transient is None) == ((kept := again.sites[name].transient) is None)
        assert site.transient is None or (kept is not None and torch.equal(kept, site.transient))


def test_a_method_with_refinements_is_a_method() -> None:
    steps = (Step(refine.initial_potential), Step(refine.least_squares, {"per_channel": False}))
    method = methods.max_norm.refined(*steps)
    found = method(NETWORK, IMAGES, steps=5)
    by_hand = refine.initial_potential(methods.max_norm(NETWORK, IMAGES, steps=5))
    by_hand = refine.least_squares(by_hand, NETWORK, IMAGES, per_channel=False)
    for name, site in found.sites.items():
        other = by_hand.sites[name]
        assert (site.threshold, site.initial_potential) == (other.threshold, other.initial_potential)
    assert found.title == method.plan(NETWORK, IMAGES, steps=5).title == by_hand.title
    bare = methods.direct_copy.refined(*steps)
    assert bare.needs_calibration
    with pytest.raises(InvalidOption, match="least_squares needs calibration images"):
        bare(NETWORK, steps=5)
    assert bare.plan(NETWORK, IMAGES, steps=5).title.startswith("direct_copy + ")


@pytest.mark.parametrize("refinement", refine.ALL, ids=lambda one: one.name)
def test_every_refinement_explains_itself(refinement: Refinement[Any]) -> None:
    text = inspect.getdoc(refinement.function) or ""
    assert refinement.cites
    assert "Cost" in text
    for option in refinement.options:
        assert f"{option}:" in text
    assert refine.find(refinement.name) is refinement
    source = inspect.getsource(inspect.getmodule(refinement.function))  # type: ignore[arg-type]
    code = [line for line in source.split('"""', 2)[2].splitlines() if line.strip()]
    assert len(code) <= 60


def test_what_does_not_fit_is_refused() -> None:
    hard = methods.data_norm(NETWORK, IMAGES, steps=8)
    few = plans()["few"]
    for changing in (refine.signed, refine.burst):
        with pytest.raises(InvalidPlan, match="reset by subtraction"):
            changing(hard)
        with pytest.raises(InvalidPlan, match="reset by subtraction"):
            changing(few)
    draining = replace(methods.max_norm(NETWORK, IMAGES, steps=8), schedule=InputThenDrain(4, 4))
    with pytest.raises(InvalidPlan, match="steady schedule"):
        refine.correct_biases(draining, NETWORK, IMAGES)
    momentary = replace(methods.max_norm(NETWORK, IMAGES, steps=8), max_pooling=MomentaryMax())
    with pytest.raises(InvalidPlan, match="AccumulatedMax"):
        refine.correct_biases(momentary, NETWORK, IMAGES)
    with pytest.raises(InvalidPlan, match="whole input at once: use each_step=False"):
        refine.correct_biases(few, NETWORK, IMAGES, each_step=True)
    with pytest.raises(InvalidOption, match="share"):
        refine.initial_potential(hard, share=1.0)
    with pytest.raises(UnknownName, match="did you mean 'least_squares'"):
        refine.find("least_square")
