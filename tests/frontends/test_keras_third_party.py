"""A network that somebody else trained with Keras 2: CIFAR-10, 80.14 % of the whole test set; and with spikes."""

from __future__ import annotations

import pytest
from torch import Tensor

import frontends.keras_models  # noqa: F401 (skips where Keras is not installed, and chooses its backend)
from frontends.third_party import fetched, from_registry, in_batches
from respike import SpikingNetwork, data, measure
from respike.ir import Activation, BatchNorm, MaxPool, Network
from respike.load import load
from respike.methods import few_spikes, percentile_norm


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    package = fetched("cifar-10-model==7.4.0", tmp_path_factory.mktemp("packages"))
    file = package / "cifar_10_model" / "trained_models" / "cnn_model.h5"
    return load(file, verify=_as_trained(data.load("cifar10", "test").images[:16]))


def _as_trained(images: Tensor) -> Tensor:
    """Bytes, channels last."""
    return (images * 255).round().permute(0, 2, 3, 1)


@from_registry
def test_a_cifar10_network_of_keras_2_keeps_its_accuracy(network: Network) -> None:
    test = data.load("cifar10", "test")
    kinds = [type(node) for node in network.nodes]
    assert (kinds.count(Activation), kinds.count(MaxPool), kinds.count(BatchNorm)) == (9, 3, 3)
    guesses = in_batches(network, _as_trained(test.images), 250).argmax(1)
    assert int((guesses == test.labels).sum()) == 8014


@from_registry
def test_it_spikes_as_well(network: Network) -> None:
    """All 10,000 test images."""
    plan = few_spikes(network, _calibration(1024), steps=8)
    right, wanted = _right(SpikingNetwork(network, plan), data.load("cifar10", "test"))
    assert wanted == 8014
    assert right >= wanted - 30


@from_registry
def test_it_spikes_nearly_as_well_over_time(network: Network) -> None:
    """The first 1,000 test images; T = 256 is short for nine layers."""
    plan = percentile_norm(network, _calibration(1024), steps=256)
    right, wanted = _right(SpikingNetwork(network, plan), data.load("cifar10", "test").take(1000))
    assert wanted == 824
    assert right >= wanted - 10


def _calibration(count: int) -> Tensor:
    return _as_trained(data.load("cifar10", "calibration").images[:count])


def _right(spiking: SpikingNetwork, test: data.Dataset) -> tuple[int, int]:
    """Images that the spiking network gets right, and the network."""
    report = measure(spiking, (_as_trained(test.images), test.labels))
    right, wanted = (round(report.images * part) for part in (report.accuracy[-1], report.network_accuracy))
    print(f"{report.method}: {right} of {report.images} images, the network {wanted}; agrees on {report.agreement:.3f}")
    return right, wanted
