"""`settle`: mean inputs are the network's in every step, whoever sends and however long the input is on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mixers import WIDTH, given_to, mixer
from networks import Builder, images
from respike import SpikingNetwork, methods, refine
from respike.coding import IntegrateEncoder
from respike.engines import reference
from respike.errors import InvalidPlan
from respike.ir import MaxPool, Network
from respike.neurons import Burst, CoarseToFine, IntegrateFire, Neuron, SignedIntegrateFire
from respike.plan import Plan
from respike.record import Probe
from respike.schedule import InputThenDrain, Schedule, Steady


def network() -> Network:
    """Four populations, a pool and a sum of two ways."""
    builder = Builder((2, 6, 6), seed=3)
    builder.conv(4)
    builder.relu()
    builder.put(MaxPool(builder.name("pool"), (builder.last,), (2, 2), (2, 2), (0, 0), (1, 1)))
    builder.block("residual")
    builder.conv(5)
    return builder.network()


NETWORK = network()
IMAGES = images(NETWORK, 30)


@pytest.mark.parametrize("neuron", [IntegrateFire(), SignedIntegrateFire(), Burst(3), CoarseToFine()], ids=str)
@pytest.mark.parametrize("schedule", [Steady(7), InputThenDrain(1, 6), InputThenDrain(3, 4)], ids=str)
@pytest.mark.parametrize("encoded", [False, True])
def test_all_charge_that_came_is_in_the_mean_what_the_network_says(
    neuron: Neuron, schedule: Schedule, encoded: bool
) -> None:
    """Neurons that reset by subtraction still have what came, less what they sent."""
    plain = methods.percentile_norm(NETWORK, IMAGES, steps=7)
    sites = {name: replace(site, neuron=neuron, extra_current=1.0) for name, site in plain.sites.items()}
    plan = Plan(sites=sites, schedule=schedule, coding=IntegrateEncoder() if encoded else plain.coding)
    plan = refine.settle(plan, NETWORK, IMAGES, images=30)
    for steps in (1, 2, 4, 7):  # the numbers of a step do not depend on the steps behind it
        inputs = min(steps, schedule.input_steps)
        shorter = Steady(steps) if inputs == steps else InputThenDrain(inputs, steps - inputs)
        probe = Probe(potentials=tuple(sites), spikes=tuple(sites))
        record = reference(NETWORK, plan.with_schedule(shorter), IMAGES, probe)
        for node in NETWORK.activations:
            sent = record.spikes[node.name].sum(0) * plan.sites[node.name].threshold
            charge = (record.potentials[node.name] + sent).transpose(0, 1).flatten(1).mean(1)
            wanted = NETWORK.values((IMAGES,), keep=node.inputs)[node.inputs[0]].transpose(0, 1).flatten(1).mean(1)
            torch.testing.assert_close(charge, inputs * plan.coding.gain * wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", [3, 4])
def test_it_lessens_the_error_of_a_deep_network(seed: int) -> None:
    """Nine populations, four steps, on images that it was not calibrated on."""
    builder = Builder((2, 6, 6), seed)
    builder.conv(6)
    builder.relu()
    for _ in range(4):
        builder.block("residual")
    builder.conv(5)
    deep = builder.network()
    given = images(deep, 60)
    plan = methods.coarse_to_fine(deep, given[:30], steps=4)
    without = replace(plan, sites={name: replace(site, transient=None) for name, site in plan.sites.items()})
    settled, unsettled = (SpikingNetwork(deep, one)(given[30:]) - deep(given[30:]) for one in (plan, without))
    assert float(settled.square().sum()) < 0.9 * float(unsettled.square().sum())


def test_on_edges_the_features_of_tokens_are_those_that_settle() -> None:
    """As units are: features of tokens in front of linear layers, heads in front of products."""
    mixed = mixer(["attention", "relu"])
    given = given_to(mixed, 20)
    plan = refine.settle(methods.differential(mixed, given, steps=3, step_bits=1), mixed, given)
    shapes = {name: tuple(site.transient.shape) for name, site in plan.sites.items() if site.transient is not None}
    assert shapes["0.norm@spikes"] == (3, 1, WIDTH)
    assert shapes["0.weights@spikes"] == (3, 2)
    placed = plan.on(mixed)
    record = reference(placed, plan, given, Probe(potentials=("0.norm@spikes",), spikes=("0.norm@spikes",)))
    site = plan.sites["0.norm@spikes"]
    sent = record.spikes["0.norm@spikes"].sum(0) * site.threshold
    charge = (record.potentials["0.norm@spikes"] + sent - site.initial_potential).flatten(0, 1).mean(0)
    wanted = placed.values((given,), keep=["0.norm"])["0.norm"].flatten(0, 1).mean(0)
    torch.testing.assert_close(charge, wanted, rtol=1e-9, atol=1e-9)


def test_layerwise_plans_have_no_steps_to_settle() -> None:
    with pytest.raises(InvalidPlan, match="use correct_biases"):
        refine.settle(methods.few_spikes(NETWORK, IMAGES), NETWORK, IMAGES)
