"""A network that somebody else trained with Keras 2: CIFAR-10, 80.14 % of the whole test set; and with spikes."""

from __future__ import annotations

import pytest
from torch import Tensor

import frontends.keras_models  # noqa: F401 (skips where Keras is not installed, and chooses its backend)
from frontends.third_party import fetched, from_registry, in_batches
from respike import SpikingNetwork, data, measure
from respike.ir import Activation, BatchNorm, MaxPool, Network
from respike.load import load
from respike.methods import Method, max_norm, percentile_norm


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
@pytest.mark.parametrize(("method", "steps"), [(max_norm, 256), (percentile_norm, 256)])
def test_it_spikes_nearly_as_well(network: Network, method: Method[...], steps: int) -> None:
    """The first 1,000 test images."""
    calibration = _as_trained(data.load("cifar10", "calibration").images[:256])
    test = data.load("cifar10", "test").take(1000)
    spiking = SpikingNetwork(network, method(network, calibration, steps=steps))
    report = measure(spiking, (_as_trained(test.images), test.labels))
    right, wanted = (round(1000 * part) for part in (report.accuracy[-1], report.network_accuracy))
    print(
        f"{report.method}, T = {steps}: {right} of 1000 images, the network {wanted}; agrees on {report.agreement:.3f}"
    )
    assert wanted == 824
    assert right >= wanted - 3
