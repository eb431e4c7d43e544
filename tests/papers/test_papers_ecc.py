"""ECC's plans are those of the methods, and of the public program written out on normalised weights."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from papers.check import program
from papers.claims import Verdict
from papers.ecc import plans
from papers.ecc.histograms import EXPECTED, Counts
from papers.ecc.outcomes import count, mops_of_a_spike
from papers.published import ecc_mops
from papers.workbench import Subject, Workbench, pack, unpack
from rich.progress import Progress
from torch import nn

import respike
from respike import Probe, data, engines, methods, zoo
from respike.coding import ConstantCurrent
from respike.data import Split, cifar
from respike.data.catalogue import Member, Spec, find
from respike.data.loading import read
from respike.ir import Linear
from respike.zoo.vgg import vgg16

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


def _hundred(folder: Path, images: int = 12) -> Spec:
    """CIFAR-100's files in their canonical form, but small."""
    random, spec, members = np.random.default_rng(5), find("cifar100"), {}
    for split in (Split.TRAIN, Split.TEST):
        labels = random.integers(0, 100, (images, 2), np.uint8)  # the coarse one in front
        content = cifar.build(random.integers(0, 256, (images, 3, 32, 32), np.uint8), labels)
        (member,) = spec.members[split]
        (folder / member.name).write_bytes(content)
        members[split] = (Member(member.name, hashlib.md5(content, usedforsecurity=False).hexdigest()),)
    return replace(spec, members=members)


def test_cifar_100_is_measured_where_it_is_at_hand(tmp_path: Path) -> None:
    ecc, spec = program("ecc"), _hundred(tmp_path)
    torch.manual_seed(6)
    model = vgg16(classes=100, width=1, batch_norm=True).eval()

    class Here(Workbench):
        def has(self, name: str) -> bool:
            return zoo.find(name).dataset == spec.name

        def subject(self, name: str) -> Subject:
            test, training = (read(spec, split, tmp_path) for split in (Split.TEST, Split.TRAIN))
            return Subject(name, respike.load(model, test.images[:2]), test, training.images, "")

    with Progress(disable=True) as bar:
        found = ecc.cifar100(Here(tmp_path, (), 10, 0, bar))
        absent = ecc.cifar100(Workbench(tmp_path, (), 10, 0, bar)) if not zoo.trained(ecc.HUNDRED) else []
    assert [(one.id, one.images) for one in found] == [("cifar100", 10), ("cifar100-three-times-faster", 10)]
    assert all(np.isfinite([one.value, one.low, one.high]).all() for one in found)
    assert [(one.id, one.ours) for one in absent] == [("cifar100", "not measured")]


def test_larger_thresholds_are_fewer_steps(subject: Subject) -> None:
    """In count mode, where nothing saturates: 4 times the steps and 4 times the thresholds are the same."""
    images = subject.test.take(40).images.double()
    few, many = (
        count(
            subject.network,
            replace(
                plans.with_thresholds(plans.largest(subject, steps), factor, with_value=True),
                coding=ConstantCurrent(),
            ),
            images,
        ).outputs
        / steps
        for steps, factor in ((STEPS, 2.0), (4 * STEPS, 8.0))
    )
    assert torch.allclose(few, many)
