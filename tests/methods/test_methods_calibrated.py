"""`calibrated`: what it is made of, and that it loses less in few steps than the methods that it builds upon."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import respike
from networks import Builder, images
from respike import SpikingNetwork, data, engines, methods, refine, zoo
from respike.errors import InvalidOption
from respike.ir import Network
from respike.neurons import Burst, IntegrateFire, Neuron, SignedIntegrateFire
from respike.plan import Plan


def deep(seed: int = 5) -> Network:
    """Six populations with sums of two ways: deep enough for spikes that come too early."""
    builder = Builder((3, 8, 8), seed)
    builder.conv(8)
    builder.relu()
    builder.block("residual")
    builder.block("residual")
    builder.conv(6)
    builder.relu()
    return builder.network()


NETWORK = deep()
CALIBRATION, HELD_OUT = images(NETWORK, 64, seed=1), images(NETWORK, 64, seed=2)


def error(plan: Plan, network: Network = NETWORK) -> float:
    """The relative error of the outputs on images that no plan was calibrated on."""
    found, exact = SpikingNetwork(network, plan)(HELD_OUT), network(HELD_OUT)
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("steps", [6, 12])
def test_it_loses_less_than_the_published_methods_in_as_many_steps(steps: int) -> None:
    ours = error(methods.calibrated(NETWORK, CALIBRATION, steps=steps))
    for method in (methods.max_norm, methods.percentile_norm, methods.ecc, methods.rmp):
        assert ours < error(method.plan(NETWORK, CALIBRATION, steps=steps)), method.name


def test_it_is_its_parts_one_after_the_other() -> None:
    def outputs(plan: Plan) -> Tensor:
        return engines.batched(NETWORK, plan, HELD_OUT[:8]).outputs_over_time

    by_hand = refine.initial_potential(methods.max_norm(NETWORK, CALIBRATION, steps=10))
    by_hand = refine.least_squares(by_hand, NETWORK, CALIBRATION)
    by_hand = refine.read_late(by_hand, after=3)  # half of the six populations on the longest path
    by_hand = refine.fit_thresholds(by_hand, NETWORK, CALIBRATION, each_step=True)
    assert torch.equal(outputs(methods.calibrated(NETWORK, CALIBRATION, steps=10)), outputs(by_hand))
    assert methods.calibrated(NETWORK, CALIBRATION, steps=4).readout.after == 2


@pytest.mark.parametrize(
    ("options", "neuron"),
    [
        ({}, IntegrateFire()),
        ({"most": 2}, Burst(2)),
        ({"most": 3}, Burst(3)),
        ({"signed": True}, SignedIntegrateFire()),
    ],
)
def test_its_neurons_send_what_they_are_told_to(options: dict[str, Any], neuron: Neuron) -> None:
    plan = methods.calibrated(NETWORK, CALIBRATION[:8], steps=4, **options)
    assert {site.neuron for site in plan.sites.values()} == {neuron}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("steps", [6, 12])
def test_thresholds_fitted_to_real_spikes_lose_less_than_those_for_constant_inputs(steps: int, signed: bool) -> None:
    before = after = 0.0
    for network in (NETWORK, deep(6), deep(7)):
        plan = refine.initial_potential(methods.max_norm(network, CALIBRATION, steps=steps))
        plan = refine.least_squares(refine.signed(plan) if signed else plan, network, CALIBRATION)
        before += error(plan, network)
        after += error(refine.fit_thresholds(plan, network, CALIBRATION), network)
    assert after < 0.9 * before


def test_mean_inputs_that_are_right_in_each_step_bring_outputs_closer_on_a_trained_network() -> None:
    calibration, held_out = data.load("mnist", "calibration").images[:128], data.load("mnist", "test").images[:128]
    network = respike.load(zoo.load("mnist-cnn"), calibration[:8])
    exact = network(held_out)

    def lost(each_step: bool) -> float:
        plan = methods.calibrated(network, calibration, steps=4, each_step=each_step)
        return float((SpikingNetwork(network, plan)(held_out) - exact).norm())

    assert lost(each_step=True) < 0.9 * lost(each_step=False)


def test_what_is_withheld_comes_back_in_the_steps_that_are_left_out() -> None:
    """Potential and transient together are what was tried as potential: corrections of mean inputs sum to zero."""
    plan = refine.initial_potential(methods.max_norm(NETWORK, CALIBRATION, steps=16))
    plan = refine.read_late(refine.least_squares(plan, NETWORK, CALIBRATION), after=8)
    plan = refine.fit_thresholds(plan, NETWORK, CALIBRATION, each_step=True)
    *before, last = plan.sites.values()
    waiting = 0
    for site in before:
        start = torch.as_tensor(site.initial_potential / site.threshold)
        given = torch.zeros(1, 1) if site.transient is None else site.transient / site.threshold
        assert bool(((start + given.sum(0) > -1e-6) & (start + given.sum(0) < 0.6 + 1e-6)).all())
        waiting += int((start < -0.15).sum())
    assert waiting > 5
    assert bool((torch.as_tensor(last.initial_potential) > -1e-6).all())


def test_neurons_wait_only_while_outputs_are_left_out() -> None:
    plan = refine.initial_potential(methods.max_norm(NETWORK, CALIBRATION, steps=16))
    plan = refine.least_squares(plan, NETWORK, CALIBRATION)
    for each_step, after in ((True, 0), (False, 8)):
        read = refine.read_late(plan, after=after)
        fitted = refine.fit_thresholds(read, NETWORK, CALIBRATION, each_step=each_step)
        assert all(bool((torch.as_tensor(site.initial_potential) > -1e-6).all()) for site in fitted.sites.values())


def test_what_may_be_sent() -> None:
    signed = methods.calibrated(NETWORK, CALIBRATION, steps=12, signed=True)
    bursts = methods.calibrated(NETWORK, CALIBRATION, steps=12, most=3)
    assert {site.neuron for site in signed.sites.values()} == {SignedIntegrateFire()}
    assert {site.neuron for site in bursts.sites.values()} == {Burst(3)}
    assert signed.readout.after == bursts.readout.after == 0
    with pytest.raises(InvalidOption, match="signed=True goes with most=1"):
        methods.calibrated(NETWORK, CALIBRATION, signed=True, most=2)
