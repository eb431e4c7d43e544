"""Own data on the command line: what Python gives, and errors whose advice works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cli.running import Runner
from respike import data
from respike.cli.sources import Source
from respike.methods import ALL

METHOD = ("--method", "max_norm", "--steps", 8)


def _mnist(split: str, count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    part = data.load("mnist", split)
    return part.pixels[:count][:, 0].numpy(), part.labels[:count].numpy()


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    (x_train, y_train), (x_test, y_test) = _mnist("calibration", 40), _mnist("test", 24)
    np.savez(tmp_path / "own.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return tmp_path / "own.npz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images, labels = _mnist("test", 24)
    for digit in range(10):
        (tmp_path / "own" / str(digit)).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(tmp_path / "own" / str(label) / f"{number}.png")
    return tmp_path / "own"


def _measured(respike: Runner, file: Path, *words: object) -> Any:
    outcome = respike(*words, "--json", file)
    assert outcome.code == 0, outcome.err
    return json.loads(file.read_text())


def test_arrays_are_measured_as_the_data_set_they_were_taken_from(respike: Runner, npz: Path, tmp_path: Path) -> None:
    ours = _measured(respike, tmp_path / "1.json", "evaluate", "mnist-cnn", *METHOD, "--dataset", npz)
    words = ("evaluate", "mnist-cnn", *METHOD, "--calibration", 40, "--limit", 24)
    theirs = _measured(respike, tmp_path / "2.json", *words)
    assert (ours["images"], ours["dataset"]) == (24, "own.npz")
    calibrated_alike = data.load("mnist", "calibration").labels[:40].bincount(minlength=10)
    assert ours["network_accuracy"] == theirs["network_accuracy"]
    assert int(calibrated_alike.sum()) == 40


def test_what_was_read_is_told(respike: Runner, npz: Path) -> None:
    told = respike("evaluate", "mnist-cnn", *METHOD, "--dataset", npz, "--limit", 8).err
    assert "data: 24 images in 9 classes from" in told
    assert "calibration: 40 images" in told
    assert "1x28x28, values 0 to 1" in told
    assert "taken as hw: [28, 28] became [1, 28, 28]" in told


def test_a_folder_without_a_training_part(respike: Runner, folder: Path, npz: Path, tmp_path: Path) -> None:
    refused = respike("evaluate", "mnist-cnn", *METHOD, "--dataset", folder)
    assert refused.code == 2
    assert "calibration must not see test images" in refused.err
    assert "--calibration" in refused.err
    aside = _measured(
        respike, tmp_path / "1.json", "evaluate", "mnist-cnn", *METHOD, "--dataset", folder, "--calibration", 10
    )
    assert aside["images"] == 24 - 9  # one of each class that there is
    other = _measured(
        respike, tmp_path / "2.json", "evaluate", "mnist-cnn", *METHOD, "--dataset", folder, "--calibration", npz
    )
    assert other["images"] == 24


def test_unlabelled_images_are_compared_with_the_network(respike: Runner, folder: Path, tmp_path: Path) -> None:
    words = ("evaluate", "mnist-cnn", "--method", "model_norm", "--steps", 8)
    for image in folder.glob("*/*.png"):
        image.rename(folder / image.name)
    for digit in range(10):
        (folder / str(digit)).rmdir()
    outcome = respike(*words, "--dataset", folder, "--json", tmp_path / "out.json")
    assert outcome.code == 0, outcome.err
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["images"], report["labelled"], report["network_accuracy"]) == (24, False, 1.0)
    assert report["accuracy"][-1] == report["agreement"]
    assert "images without labels on which it decides as the network" in outcome.out
    assert respike("diagnose", "mnist-cnn", *words[2:], "--dataset", folder, "--no-try").code == 0
    page = tmp_path / "page.html"
    told = respike("report", "mnist-cnn", "--methods", "model_norm", *words[4:], "--dataset", folder, "--out", page)
    assert told.code == 0, told.err
    assert "of its decisions are kept" in page.read_text()


_FUNCTIONS = """
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset
from respike import data, zoo

def _part(split):
    part = data.load("mnist", "test" if split == "test" else "calibration").take(30)
    return TensorDataset(part.images, part.labels)

def loaders(split):
    return DataLoader(_part(split), batch_size=7)

def everything():
    return _part("test")

def broken():
    raise ValueError("no disk")

def network():
    return zoo.load("mnist-cnn")

def prepared(image):
    return torch.from_numpy(np.array(image, np.float32))[None] / 255
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_functions.py").write_text(_FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "own_functions", raising=False)
    return "own_functions"


def test_functions_of_ones_own(respike: Runner, module: str, folder: Path, tmp_path: Path) -> None:
    words = ("evaluate", f"{module}:network", *METHOD, "--dataset", f"{module}:loaders")
    report = _measured(respike, tmp_path / "1.json", *words)
    assert (report["images"], report["dataset"]) == (30, f"{module}:loaders")
    theirs = _measured(
        respike, tmp_path / "2.json", "evaluate", "mnist-cnn", *METHOD, "--limit", 30, "--calibration", 30
    )
    assert report["network_accuracy"] == theirs["network_accuracy"]
    usual = ("evaluate", "mnist-cnn", *METHOD, "--dataset", folder, "--calibration", 10)
    plain = _measured(respike, tmp_path / "3.json", *usual)
    prepared = _measured(respike, tmp_path / "4.json", *usual, "--preprocess", f"{module}:prepared")
    assert {**plain, "seconds": 0} == {**prepared, "seconds": 0}
    broken = ("evaluate", "mnist-cnn", *METHOD, "--dataset", f"{module}:broken", "--calibration", 10)
    assert "no disk" in respike.refused(*broken)


def test_images_of_a_shape_that_the_network_does_not_take(respike: Runner, module: str, folder: Path) -> None:
    """Of a network of the zoo it is known which shape it takes, of a network of one's own which flags there are."""
    for network, told in (
        ("mnist-cnn", "read image files with --channels 1"),
        (f"{module}:network", "can be changed by --size, --channels,"),
    ):
        words = ("evaluate", network, *METHOD, "--dataset", folder, "--calibration", 10)
        assert told in respike.refused(*words, "--channels", 3)
        assert respike(*words, "--channels", 1).code == 0


def test_a_function_without_parts_calibrates_on_no_image_that_is_measured(
    respike: Runner, module: str, tmp_path: Path
) -> None:
    words = ("evaluate", "mnist-cnn", *METHOD, "--dataset", f"{module}:everything")
    assert "takes no argument split, so it has no training part" in respike.refused(*words)
    aside = 9  # the first image of each class, and there is no 8 among the thirty
    assert _measured(respike, tmp_path / "1.json", *words, "--calibration", 10)["images"] == 30 - aside


def test_another_type(respike: Runner, npz: Path, tmp_path: Path) -> None:
    words = ("evaluate", "mnist-cnn", *METHOD, "--dataset", npz)
    single = _measured(respike, tmp_path / "1.json", *words)
    double = _measured(respike, tmp_path / "2.json", *words, "--dtype", "float64")
    assert single["accuracy"] == double["accuracy"]
    assert single["output_error"] != double["output_error"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--dataset", "minst"), "did you mean 'mnist'"),
        (("--dataset", "no/such/folder"), "no file or folder no/such/folder"),
        (("--size", "28"), "--size is for data of your own"),
        (("--dtype", "float16"), "did you mean"),
        (("--dataset", "{npz}", "--mean", "a,b"), "--mean takes numbers"),
        (("--dataset", "{npz}", "--range", "1"), "--range takes 2 numbers"),
        (("--dataset", "{npz}", "--layout", "chv"), "did you mean 'chw'"),
        (("--dataset", "{npz}", "--layout", "hwc"), "--layout"),
        (("--dataset", "{npz}", "--classes", "no-such-file.txt"), "'no-such-file.txt' is neither"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], told: str, respike: Runner, npz: Path) -> None:
    assert told in respike.refused("evaluate", "mnist-cnn", *METHOD, *(word.format(npz=npz) for word in words))


def test_advice_on_labels_and_sizes_works(respike: Runner, tmp_path: Path) -> None:
    images, labels = _mnist("test", 20)
    np.savez(tmp_path / "own.npz", images=images, labels=labels + 1)
    words = ("evaluate", "mnist-cnn", *METHOD, "--calibration", 10, "--dataset")
    assert "the first class is --first-label 1" in respike.refused(*words, tmp_path / "own.npz")
    assert respike(*words, tmp_path / "own.npz", "--first-label", 1).code == 0
    for digit in range(10):
        (tmp_path / "large" / str(digit)).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        large = Image.fromarray(image).resize((40, 40))
        large.save(tmp_path / "large" / str(label) / f"{number}.png")
    assert "read image files with --size 28, or" in respike.refused(*words, tmp_path / "large")
    assert respike(*words, tmp_path / "large", "--size", 28).code == 0


def test_no_flag_of_the_data_is_an_option_of_a_method() -> None:
    from dataclasses import fields

    taken = {name for method in ALL for name in method.options}
    assert not taken & {field.name for field in fields(Source)}


def test_channels_last_networks_get_channels_last(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ChannelsLast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 4, 3))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.layers(images.permute(0, 3, 1, 2))  # type: ignore[no-any-return]

    torch.manual_seed(0)
    example = torch.rand(2, 6, 6, 3)
    program = torch.export.export(ChannelsLast().eval(), (example,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    torch.export.save(program, tmp_path / "last.pt2")
    images = np.random.default_rng(0).integers(0, 256, (12, 3, 6, 6), np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(12) % 3)
    outcome = respike("evaluate", tmp_path / "last.pt2", *METHOD, "--dataset", tmp_path / "own.npz", "--calibration", 6)
    assert outcome.code == 0, outcome.err
    assert "channels moved to the end: [3, 6, 6] became [6, 6, 3]" in outcome.err
