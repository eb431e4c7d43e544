"""`match_outputs`: plans whose outputs are nearer to the network's, also on images that they were not fitted to."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import respike
from networks import Builder, images
from respike import SpikingNetwork, data, methods, refine, zoo
from respike.errors import InvalidPlan
from respike.ir import Conv, Network, ReLU
from respike.plan import Plan

NETWORK = respike.load(zoo.load("mnist-cnn"), data.load("mnist", "test").take(2).images)
CALIBRATION = data.load("mnist", "calibration").images[:320]
TEST = data.load("mnist", "test").take(200).images


def divergence(plan: Plan, given: Tensor) -> float:
    found = respike.simulate(SpikingNetwork(NETWORK, plan), given).outputs_over_time[-1] / plan.output_decoding
    both = (functional.log_softmax(outputs, 1) for outputs in (found, NETWORK(given)))
    found, wanted = both
    return float((wanted.exp() * (wanted - found)).sum(1).mean())


@pytest.mark.parametrize(("neurons", "steps"), [("few_spikes", 1), ("canonic_spikes", 1), ("signed", 2), ("opi", 3)])
def test_outputs_come_nearer_on_other_images(neurons: str, steps: int) -> None:
    before = methods.find(neurons).plan(NETWORK, CALIBRATION, steps=steps)
    after = refine.match_outputs(before, NETWORK, CALIBRATION, rounds=25)
    assert divergence(after, TEST) < 0.9 * divergence(before, TEST)


def test_without_a_step_to_speak_of_nothing_moves_and_runs_repeat() -> None:
    before = methods.few_spikes(NETWORK, CALIBRATION, steps=3)
    still = refine.match_outputs(before, NETWORK, CALIBRATION, rounds=2, rate=1e-12)
    once, again = (refine.match_outputs(before, NETWORK, CALIBRATION, rounds=2) for _ in range(2))
    for name, site in before.sites.items():
        for field in ("threshold", "spike_value", "initial_potential", "extra_current"):
            one, other = (torch.as_tensor(getattr(plan.sites[name], field)) for plan in (before, still))
            torch.testing.assert_close(other.double(), one.double().expand_as(other), rtol=1e-6, atol=1e-9)
            assert torch.equal(getattr(once.sites[name], field), getattr(again.sites[name], field))
        moved = torch.as_tensor(once.sites[name].threshold).double()
        assert not torch.allclose(moved, torch.as_tensor(site.threshold).double(), rtol=1e-4)


def test_the_network_keeps_its_weights_and_its_values() -> None:
    kept = copy.deepcopy([node.weight for node in NETWORK.nodes if isinstance(node, Conv)])
    refine.match_outputs(methods.few_spikes(NETWORK, CALIBRATION, steps=2), NETWORK, CALIBRATION, rounds=1)
    for weight, node in zip(kept, (node for node in NETWORK.nodes if isinstance(node, Conv)), strict=True):
        assert torch.equal(weight, node.weight)


def test_output_neurons_that_spike_stay_as_they_are() -> None:
    before = refine.spiking_output(methods.opi(NETWORK, CALIBRATION, steps=4), NETWORK, CALIBRATION)
    after = refine.match_outputs(before, NETWORK, CALIBRATION, rounds=1)
    assert after.readout == before.readout


def test_no_spike_delivers_more_than_a_clip() -> None:
    builder = Builder((2, 4, 4), seed=1)
    builder.conv(3)
    builder.relu()
    network = builder.network()
    nodes = tuple(replace(node, function=ReLU(0.5)) if node in network.activations else node for node in network.nodes)
    clipped = Network(nodes, network.outputs)
    given = images(clipped, 40)
    plan = refine.match_outputs(methods.few_spikes(clipped, given, steps=3), clipped, given, rounds=20, rate=0.5)
    plan.check(clipped)
    site = plan.sites[clipped.activations[0].name]
    assert float(torch.as_tensor(site.value).max()) * site.neuron.largest <= 0.5 * (1 + 1e-6)


def test_outputs_that_are_no_classes_are_refused() -> None:
    builder = Builder((2, 4, 4), seed=1)
    builder.conv(3)
    builder.relu()
    network = Network(tuple(builder.nodes), (builder.last,))
    with pytest.raises(InvalidPlan, match="fit_values"):
        refine.match_outputs(methods.opi(network, images(network, 4), steps=3), network, images(network, 4))
