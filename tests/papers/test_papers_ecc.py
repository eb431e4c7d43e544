"""ECC's plans are those of the methods, and of the public program written out on normalised weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from papers.check import program
from papers.claims import Verdict
from papers.ecc import plans
from papers.ecc.histograms import EXPECTED, Counts
from papers.ecc.outcomes import count, mops_of_a_spike
from papers.published import ecc_mops
from papers.workbench import Subject, pack, unpack
from torch import nn

import respike
from respike import Probe, data, engines, methods, zoo
from respike.ir import Linear

STEPS = 24


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A perceptron with biases, in float64: no sum falls on the other side of a threshold."""
    torch.manual_seed(4)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 10))
    test = data.load("mnist", "test")
    calibration = data.load("mnist", "calibration").images[:64].double()
    network = respike.load(module.double().eval(), calibration[:4])
    return Subject("perceptron", network, test, calibration, "")


@pytest.mark.parametrize("upfront", [False, True])
def test_ecc_is_the_method_from_one_calibration(subject: Subject, upfront: bool) -> None:
    wanted = methods.ecc(subject.network, subject.calibration, steps=STEPS, upfront=upfront)
    found = plans.repaired(subject, STEPS, upfront=upfront, signed=False)
    assert {name: vars(site) for name, site in found.sites.items()} == {
        name: vars(site) for name, site in wanted.sites.items()
    }
    assert (found.schedule, found.readout, found.coding) == (wanted.schedule, wanted.readout, wanted.coding)


@pytest.mark.parametrize("factor", [1.0, 0.9, 0.8])
def test_rmp_is_the_program_s_formula_on_normalised_weights(subject: Subject, factor: float) -> None:
    """N = clip(floor((W' N_in + T b') / (factor · 1)), 0, T), layer by layer, with W' and b' as ECC Eq. 8."""
    images = subject.test.take(40).images.double()
    layers = [
        (node.weight.numpy(), node.bias.numpy())
        for node in subject.network.nodes
        if isinstance(node, Linear) and node.bias is not None
    ]
    activations = [node.name for node in subject.network.activations]
    seen = subject.network.values((subject.calibration,), activations)
    scales = [1.0, *(float(seen[name].max()) for name in activations)]
    counts = np.floor(STEPS * images.flatten(1).numpy() + 1e-9)
    for (weight, bias), below, scale in zip(layers[:-1], scales, scales[1:], strict=False):
        current = counts @ weight.T * below / scale + STEPS * bias / scale
        counts = np.clip(np.floor(current / factor), 0, STEPS)
    weight, bias = layers[-1]
    outputs = scales[-1] * counts @ weight.T + STEPS * bias
    found = count(subject.network, plans.rmp(subject, STEPS, factor), images).outputs
    assert np.allclose(found.numpy(), outputs)


def test_the_encoder_s_spikes_are_counted_at_once(subject: Subject) -> None:
    images = subject.test.take(40).images.double()
    plan = plans.ecc(subject, STEPS)
    assert torch.allclose(
        count(subject.network, plan, images).outputs, engines.count(subject.network, plan, images).outputs
    )


def test_a_spike_s_price_adds_up_to_the_paper_s_operations() -> None:
    test = data.load("mnist", "test").take(8).images
    network = respike.load(zoo.load("mnist-cnn"), test)
    plan = methods.max_norm(network, test, steps=8)
    counts = engines.count(network, plan, test, Probe()).spike_counts
    price = mops_of_a_spike(network)
    priced = sum(price[name] * float(spikes.sum()) for name, spikes in counts.items()) / 8
    assert priced == pytest.approx(ecc_mops(network, {name: float(s.sum()) / 8 for name, s in counts.items()}))


def test_decisions_survive_packing() -> None:
    bits = torch.rand(3, 13) < 0.5
    assert torch.equal(unpack(pack(bits)), bits)


def test_figure_5_compares_distances_from_the_expected_counts() -> None:
    """A method that is nearer on every image holds, one that is farther does not."""
    near, far, farther = [1.0, 1.1, 0.9], [5.0, 5.1, 4.9], [7.0, 7.1, 6.9]
    layers = ["early", "late"]
    distances = {
        "2017-SNN": {"early": far, "late": far},
        "ECC-SNN": {"early": near, "late": far},
        "ECC-SNN, 2/3": {"early": farther, "late": near},
    }
    spikes = {name: {layer: [1, 2] for layer in layers} for name in (*distances, EXPECTED)}
    found = {one.id: one.verdict for one in program("ecc").figure5(Counts(layers, 3, 1, spikes, distances))}
    assert found == {
        "figure5-early-eta": Verdict.HOLDS,
        "figure5-late-eta": Verdict.FAILS,
        "figure5-late-2017": Verdict.HOLDS,  # as far on every image: not farther
    }
