"""Trainings that start from a trained network compute what it computes, and lose its biases on the way."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from respike import zoo
from respike.data import Dataset
from respike.zoo import Entry, Recipe, training
from respike.zoo.starting import FADE, start
from respike.zoo.vgg import vgg16


@pytest.fixture(scope="module")
def source() -> nn.Module:
    """A small VGG-16 whose batch norms and biases have seen something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = vgg16(width=2)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.affine:
                nn.init.normal_(layer.bias, 0.2, 0.1)
                nn.init.uniform_(layer.weight, 0.5, 1.5)
        with torch.no_grad():
            for _ in range(20):
                network(torch.rand(32, 3, 32, 32))
    return network.eval()


@pytest.fixture(scope="module")
def coloured() -> Dataset:
    pixels = torch.randint(256, (32, 3, 32, 32), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    return Dataset("cifar10", "train", pixels, torch.arange(32) % 10, tuple("abcdefghij"), "made")


def test_a_start_computes_what_its_source_computes(source: nn.Module) -> None:
    network = vgg16(width=2, batch_norm=False).eval()
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    fading = start(network, source)
    with torch.no_grad():
        wanted = source(images)
        assert torch.allclose(network(images), wanted, atol=1e-4 * float(wanted.abs().max()))
        fading.at(FADE / 2)
        assert fading.factor == 0.5
        between = network(images)
        fading.at(FADE)
        without = network(images)
        unhooked = vgg16(width=2, batch_norm=False).eval()
        unhooked.load_state_dict(network.state_dict())
        assert torch.equal(without, unhooked(images))
    assert not torch.allclose(between, wanted, rtol=1e-3)
    assert not torch.allclose(between, without, rtol=1e-3)


@pytest.mark.parametrize("number", [1, 2])
def test_a_training_that_starts_from_another_is_resumed_bit_for_bit(
    number: int, source: nn.Module, coloured: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(name: str) -> nn.Module:
        asked.append(name)
        return source

    monkeypatch.setattr(training, "load", load)
    recipe = Recipe(3, batch_size=16, averaged_epochs=1, start="cifar10-vgg16-half")
    entry = Entry("cifar10-vgg16-half-plain", partial(vgg16, width=2, batch_norm=False), (3, 32, 32), "cifar10",
                  recipe, "ECC", "small")  # fmt: skip

    def stop(epoch: zoo.Epoch) -> None:
        if epoch.number == number:
            raise InterruptedError

    train = partial(zoo.train, entry, train_set=coloured, test_set=coloured)
    undisturbed = train(directory=tmp_path / "1")
    with pytest.raises(InterruptedError):
        train(directory=tmp_path / "2", on_epoch=stop)
    assert train(directory=tmp_path / "2").sha256 == undisturbed.sha256
    assert set(asked) == {"cifar10-vgg16-half"}


def test_every_start_is_a_network_of_the_zoo() -> None:
    starts = {entry.recipe.start for entry in zoo.ENTRIES if entry.recipe.start}
    assert starts
    assert all(not zoo.find(name).recipe.start for name in starts)
