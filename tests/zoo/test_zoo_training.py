"""The same seed gives the same weights, bit for bit, interrupted or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from respike import data, zoo
from respike.data import Dataset
from respike.errors import InvalidData, InvalidFile, InvalidOption
from respike.zoo import Entry, Epoch, Recipe, TrainingRecord

_RECIPE = Recipe(3, batch_size=32, weight_decay=0.01)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    # These trainings are too small to share out: threads would wait for each other on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def images() -> Dataset:
    return data.load("mnist", "calibration").take(80)


@pytest.fixture(params=["mnist-cnn-diehl", "mnist-mlp"])
def entry(request: pytest.FixtureRequest) -> Entry:
    return replace(zoo.find(request.param), recipe=_RECIPE)


def _train(entry: Entry, directory: Path, images: Dataset, **options: object) -> TrainingRecord:
    options = {"train_set": images, "test_set": images.take(50)} | options
    return zoo.train(entry, directory=directory, **options)  # type: ignore[arg-type]


def _facts(record: TrainingRecord) -> TrainingRecord:
    return replace(record, history=tuple(replace(epoch, seconds=0) for epoch in record.history))


def _stop_after(number: int, stop: BaseException) -> object:
    def on_epoch(epoch: Epoch) -> None:
        if epoch.number == number:
            raise stop

    return on_epoch


def test_the_same_seed_gives_the_same_weights(entry: Entry, images: Dataset, tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = _train(entry, tmp_path / "1", images)
    torch.manual_seed(2)
    second = _train(entry, tmp_path / "2", images)
    other = _train(entry, tmp_path / "3", images, seed=5)
    assert _facts(first) == _facts(second)
    assert first.sha256 != other.sha256
    name = f"{entry.name}.safetensors"
    assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_training_leaves_the_random_numbers_of_the_caller_alone(images: Dataset, tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    _train(zoo.find("mnist-cnn"), tmp_path, images, epochs=1)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_interrupted_and_resumed_is_undisturbed(entry: Entry, number: int, images: Dataset, tmp_path: Path) -> None:
    undisturbed = _train(entry, tmp_path / "1", images)
    with pytest.raises(InterruptedError):
        _train(entry, tmp_path / "2", images, on_epoch=_stop_after(number, InterruptedError()))
    assert [path.name for path in (tmp_path / "2").iterdir()] == [f"{entry.name}.checkpoint.safetensors"]
    seen: list[Epoch] = []
    resumed = _train(entry, tmp_path / "2", images, on_epoch=seen.append)
    assert [epoch.number for epoch in seen] == list(range(number + 1, 4))
    assert _facts(resumed) == _facts(undisturbed)
    assert {path.name for path in (tmp_path / "2").iterdir()} == {f"{entry.name}.safetensors", f"{entry.name}.json"}


@pytest.fixture(scope="module")
def averaged() -> Entry:
    """A network with batch norms, whose weights are averaged over the last two of three epochs."""
    recipe = replace(zoo.find("cifar10-resnet8").recipe, epochs=3, batch_size=16, peak=0.02, averaged_epochs=2)
    return replace(zoo.find("cifar10-resnet8"), recipe=recipe)


@pytest.fixture(scope="module")
def coloured() -> Dataset:
    pixels = torch.randint(256, (48, 3, 32, 32), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    classes = tuple(str(label) for label in range(10))
    return Dataset("cifar10", "train", pixels, torch.arange(48) % 10, classes, "made")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_average_of_weights_is_resumed_too(averaged: Entry, number: int, coloured: Dataset, tmp_path: Path) -> None:
    undisturbed = _train(averaged, tmp_path / "1", coloured)
    with pytest.raises(InterruptedError):
        _train(averaged, tmp_path / "2", coloured, on_epoch=_stop_after(number, InterruptedError()))
    assert _facts(_train(averaged, tmp_path / "2", coloured)) == _facts(undisturbed)


def test_the_average_is_that_of_the_weights_after_every_step(
    averaged: Entry, coloured: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[torch.Tensor] = []
    step = torch.optim.SGD.step

    def record(optimizer: torch.optim.SGD) -> None:
        step(optimizer)
        kept.append(optimizer.param_groups[0]["params"][0].detach().clone())

    monkeypatch.setattr(torch.optim.SGD, "step", record)
    _train(averaged, tmp_path, coloured)
    first = next(zoo.load("cifar10-resnet8", tmp_path).parameters())
    assert len(kept) == 9
    # The weights are stored in half precision.
    assert torch.allclose(first, torch.stack(kept[3:]).mean(0), atol=1e-3)
    assert not torch.allclose(first, kept[-1], atol=1e-3)


def test_the_batch_norms_of_an_average_have_the_statistics_of_the_training_images(
    averaged: Entry, coloured: Dataset, tmp_path: Path
) -> None:
    plain = replace(averaged.recipe, shift=0, flip=False)
    _train(replace(averaged, recipe=plain), tmp_path, coloured)
    weights = zoo.load("cifar10-resnet8", tmp_path).state_dict()
    pixels, colours = coloured.images, (1, 3, 1, 1)
    assert torch.allclose(weights["input_norm.running_mean"], pixels.mean((0, 2, 3)), atol=1e-3)
    pixels = (pixels - weights["input_norm.running_mean"].view(colours)) / weights[
        "input_norm.running_var"
    ].sqrt().view(colours)
    mean = torch.conv2d(pixels, weights["conv.weight"], padding=1).mean((0, 2, 3))
    assert torch.allclose(weights["norm.running_mean"], mean, rtol=1e-2, atol=2e-3)


def test_ctrl_c_within_an_epoch_keeps_the_finished_ones(
    images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = replace(zoo.find("mnist-cnn"), recipe=_RECIPE)
    undisturbed = _train(entry, tmp_path / "1", images)
    calls, backward = iter(range(1000)), torch.autograd.backward

    def stop_at_the_fifth(loss: torch.Tensor) -> None:
        if next(calls) == 4:  # 3 batches an epoch: the second of the second epoch
            raise KeyboardInterrupt
        backward(loss)

    monkeypatch.setattr(torch.autograd, "backward", stop_at_the_fifth)
    with pytest.raises(KeyboardInterrupt) as stopped:
        _train(entry, tmp_path / "2", images)
    assert "train again to continue" in stopped.value.__notes__[0]
    assert _facts(_train(entry, tmp_path / "2", images)) == _facts(undisturbed)


def test_a_checkpoint_of_another_training_is_not_continued(images: Dataset, tmp_path: Path) -> None:
    entry = replace(zoo.find("mnist-cnn"), recipe=_RECIPE)
    with pytest.raises(InterruptedError):
        _train(entry, tmp_path, images, on_epoch=_stop_after(1, InterruptedError()))
    with pytest.raises(InvalidOption, match="seed 1, not 7"):
        _train(entry, tmp_path, images, seed=7)
    with pytest.raises(InvalidOption, match="train_images 80, not 79"):
        _train(entry, tmp_path, images.take(79))
    anew = _train(entry, tmp_path, images, seed=7, resume=False)
    assert (anew.seed, len(anew.history)) == (7, 3)


@pytest.mark.parametrize("cut", [0, 7, 300, -1])
def test_a_broken_checkpoint_is_named(cut: int, images: Dataset, tmp_path: Path) -> None:
    entry = replace(zoo.find("mnist-cnn"), recipe=_RECIPE)
    with pytest.raises(InterruptedError):
        _train(entry, tmp_path, images, on_epoch=_stop_after(1, InterruptedError()))
    checkpoint = tmp_path / "mnist-cnn.checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:cut])
    with pytest.raises(InvalidFile, match=r"mnist-cnn\.checkpoint\.safetensors"):
        _train(entry, tmp_path, images)


def test_the_record_tells_what_was_done(images: Dataset, tmp_path: Path) -> None:
    entry = replace(zoo.find("mnist-cnn"), recipe=_RECIPE)
    record = _train(entry, tmp_path, images, epochs=2, seed=3)
    assert record == zoo.record("mnist-cnn", tmp_path)
    assert TrainingRecord.from_json(record.to_json(), "x") == record
    assert (record.epochs, record.seed, record.train_images, record.test_images) == (2, 3, 80, 50)
    assert [epoch.number for epoch in record.history] == [1, 2]
    assert record.torch == torch.__version__
    network = zoo.load("mnist-cnn", tmp_path)
    assert zoo.evaluate(network, images.take(50)).accuracy == record.accuracy
    kept = load_file(tmp_path / "mnist-cnn.safetensors")
    assert {str(weight.dtype) for weight in kept.values()} == {f"torch.{record.weights_dtype}"}


def test_the_weights_of_the_last_epochs_are_kept_on_demand(images: Dataset, tmp_path: Path) -> None:
    record = _train(zoo.find("mnist-cnn"), tmp_path, images, epochs=3, keep_epochs=2)
    kept = sorted((tmp_path / "epochs").iterdir())
    assert [path.name for path in kept] == ["mnist-cnn.002.safetensors", "mnist-cnn.003.safetensors"]
    last = zoo.find("mnist-cnn").build()
    last.load_state_dict(load_file(kept[-1]))
    assert zoo.evaluate(last.eval(), images.take(50)).accuracy == pytest.approx(record.accuracy, abs=2e-2)
    first = load_file(kept[0])
    assert not all(torch.equal(first[name], value) for name, value in load_file(kept[1]).items())


def test_a_device_that_torch_does_not_have_is_refused(images: Dataset, tmp_path: Path) -> None:
    for device in ("gpu", "cuda:99"):
        with pytest.raises(InvalidOption, match=rf"torch cannot use the device '{device}' here: .*train on 'cpu'"):
            _train(zoo.find("mnist-cnn"), tmp_path, images, device=device)
    assert _train(zoo.find("mnist-cnn"), tmp_path, images, epochs=1, device="cpu").device == "cpu"


def test_an_impossible_training_is_refused(images: Dataset, tmp_path: Path) -> None:
    for options in ({"epochs": 0}, {"epochs": -1}, {"seed": -1}, {"keep_epochs": -1}):
        with pytest.raises(InvalidOption):
            _train(zoo.find("mnist-cnn"), tmp_path, images, **options)
    with pytest.raises(InvalidData):
        _train(zoo.find("mnist-cnn"), tmp_path, images.take(0))


@pytest.mark.parametrize("change", [{"history": 3}, {"recipe": {}}, {"extra": 1}, {"history": [{"number": 1}]}])
def test_a_record_with_other_fields_is_refused(change: dict[str, object], images: Dataset, tmp_path: Path) -> None:
    record = _train(zoo.find("mnist-cnn"), tmp_path, images.take(40), epochs=1)
    (tmp_path / "mnist-cnn.json").write_text(json.dumps(asdict(record) | change))
    with pytest.raises(InvalidFile, match=r"mnist-cnn\.json"):
        zoo.record("mnist-cnn", tmp_path)


def test_an_interrupt_in_the_first_epoch_promises_nothing(
    images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("respike.zoo.training._Run._epoch", interrupted)
    with pytest.raises(KeyboardInterrupt) as stopped:
        _train(zoo.find("mnist-mlp"), tmp_path, images)
    assert stopped.value.__notes__ == ["no epoch was finished: nothing is kept"]
    assert not list(tmp_path.iterdir())


def test_two_trainings_of_a_network_in_one_folder_are_kept_apart(images: Dataset, tmp_path: Path) -> None:
    entry = replace(zoo.find("mnist-mlp"), recipe=_RECIPE)

    def second(_: object) -> None:
        with pytest.raises(InvalidOption, match=r"is being trained in .* already: .* another directory"):
            _train(entry, tmp_path, images)

    _train(entry, tmp_path, images, on_epoch=second)
    assert not list(tmp_path.glob("*.lock"))
    _train(entry, tmp_path, images)
