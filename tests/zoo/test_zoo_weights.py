"""The weights that are shipped reach what their records say, and broken ones are refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from respike import data, zoo
from respike.errors import InvalidFile
from respike.zoo import Entry

_SHIPPED = [entry for entry in zoo.ENTRIES if zoo.trained(entry.name)]
_ON_MNIST = [entry for entry in _SHIPPED if entry.dataset == "mnist"]


@pytest.mark.parametrize("entry", _ON_MNIST, ids=lambda entry: entry.name)
def test_the_shipped_weights_reach_the_recorded_accuracy(entry: Entry) -> None:
    network, test, record = zoo.load(entry.name), data.load("mnist", "test"), zoo.record(entry.name)
    assert not network.training
    assert record.test_images == len(test) == 10_000
    # Two images in 10,000 may fall otherwise where another processor sums in another order.
    assert zoo.evaluate(network, test).accuracy == pytest.approx(record.accuracy, abs=2e-4)


@pytest.mark.parametrize(("name", "paper"), [("mnist-mlp", 0.9884), ("mnist-cnn", 0.9914)])
def test_the_shipped_networks_are_as_good_as_the_papers(name: str, paper: float) -> None:
    # Five images in 10,000: no seed or epoch was chosen by its accuracy on the test images.
    assert zoo.record(name).accuracy >= paper - 5e-4


def test_what_is_shipped() -> None:
    assert {entry.name for entry in _SHIPPED} >= {"mnist-mlp", "mnist-cnn", "cifar10-resnet8", "cifar10-resnet20"}


def test_what_is_not_shipped_says_how_to_get_it() -> None:
    with pytest.raises(
        InvalidFile, match=r"the weights of cifar10-resnet50 .*, or train them with respike\.zoo\.train"
    ):
        zoo.load("cifar10-resnet50")


@pytest.mark.parametrize("entry", _SHIPPED, ids=lambda entry: entry.name)
def test_the_shipped_record_is_that_of_the_recipe(entry: Entry) -> None:
    record = zoo.record(entry.name)
    assert (record.name, record.dataset, record.recipe) == (entry.name, entry.dataset, entry.recipe)
    assert (record.epochs, record.seed) == (entry.recipe.epochs, entry.recipe.seed)
    assert [epoch.number for epoch in record.history] == list(range(1, record.epochs + 1))
    assert entry.recipe.averaged_epochs or record.history[-1].test_accuracy == record.accuracy_float32
    assert abs(record.accuracy - record.accuracy_float32) <= 2e-4
    assert "/" not in record.source
    network = zoo.load(entry.name)
    assert all(weight.dtype == torch.float32 and weight.isfinite().all() for weight in network.parameters())


def test_loading_leaves_the_random_numbers_as_they_were() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    zoo.load("mnist-cnn")
    assert torch.equal(torch.rand(4), wanted)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for suffix in ("json", "safetensors"):
        shutil.copy(zoo.SHIPPED / f"mnist-cnn.{suffix}", tmp_path)
    return tmp_path


def _sign(folder: Path) -> None:
    """Makes the record vouch for the weights as they are now, so that the next check is the one that is tested."""
    path = folder / "mnist-cnn.json"
    digest = hashlib.sha256((folder / "mnist-cnn.safetensors").read_bytes()).hexdigest()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": digest}))


def test_a_changed_byte_is_found(copy: Path) -> None:
    path = copy / "mnist-cnn.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidFile, match=r"mnist-cnn\.safetensors is corrupted"):
        zoo.load("mnist-cnn", copy)


@pytest.mark.parametrize("length", [0, 5, 100, 1000, -1])
def test_truncated_weights_are_refused_signed_or_not(length: int, copy: Path) -> None:
    path = copy / "mnist-cnn.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InvalidFile, match="corrupted"):
        zoo.load("mnist-cnn", copy)
    _sign(copy)
    with pytest.raises(InvalidFile, match="no safetensors file"):
        zoo.load("mnist-cnn", copy)


def _rename(weights: dict[str, torch.Tensor]) -> None:
    weights["other"] = weights.pop("fc.weight")


def _reshape(weights: dict[str, torch.Tensor]) -> None:
    weights["fc.weight"] = weights["fc.weight"][:, :-1].contiguous()


def _drop(weights: dict[str, torch.Tensor]) -> None:
    del weights["conv2.weight"]


@pytest.mark.parametrize("change", [_rename, _reshape, _drop])
def test_weights_of_another_architecture_are_refused(
    change: Callable[[dict[str, torch.Tensor]], None], copy: Path
) -> None:
    weights = load_file(copy / "mnist-cnn.safetensors")
    change(weights)
    save_file(weights, copy / "mnist-cnn.safetensors")
    _sign(copy)
    with pytest.raises(InvalidFile, match="does not fit its architecture"):
        zoo.load("mnist-cnn", copy)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, copy: Path) -> None:
    weights = load_file(copy / "mnist-cnn.safetensors")
    weights["fc.weight"][0, 0] = value
    save_file(weights, copy / "mnist-cnn.safetensors")
    _sign(copy)
    with pytest.raises(InvalidFile, match="not finite"):
        zoo.load("mnist-cnn", copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"{}"])
def test_a_broken_record_is_refused(content: bytes, copy: Path) -> None:
    (copy / "mnist-cnn.json").write_bytes(content)
    with pytest.raises(InvalidFile, match=r"mnist-cnn\.json"):
        zoo.load("mnist-cnn", copy)


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_an_absent_file_is_named(suffix: str, copy: Path) -> None:
    (copy / f"mnist-cnn.{suffix}").unlink()
    with pytest.raises(InvalidFile, match=rf"mnist-cnn\.{suffix}"):
        zoo.load("mnist-cnn", copy)
