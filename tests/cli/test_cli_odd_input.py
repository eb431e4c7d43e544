"""What somebody in a hurry types: networks, methods and data that are none, each refused in a line that says so."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cli.running import Runner

OWN = """
import torch
from torch import nn
from respike import methods

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 4)).eval()

def shapes():
    return nn.Sequential(nn.Flatten()).eval()

def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 4)).eval()

def other(network, calibration, *, steps: int = 4):
    return methods.max_norm(network, calibration, steps=steps)

def nothing(network):
    return None

def fails(network):
    return [][1]

def unrefined(plan):
    return 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of somebody's own, and images for its networks."""
    (tmp_path / "odd_own.py").write_text(OWN)
    (tmp_path / "odd_broken.py").write_text("import no_such_package_at_all")
    images = np.random.default_rng(0).random((120, 1, 4, 4), dtype=np.float32)
    labels = np.arange(120) % 4
    np.savez(tmp_path / "own.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    np.savez(tmp_path / "one.npz", x_train=images, y_train=labels, x_test=images[:1], y_test=labels[:1])
    images[3, 0, 2, 2] = np.nan
    np.savez(tmp_path / "nan.npz", images=images, labels=labels)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


MODEL = ("evaluate", "mnist-mlp", "--method", "model_norm", "--steps", "2", "--limit", "8")
RUN = ("--dataset", "own.npz", "--steps", 4)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("",), "'' is not"),
        (("odd_own:",), "NETWORK is a network of the zoo, a file, or module:function, which 'odd_own:' is not"),
        ((":net",), "module:function"),
        (("odd_own:net:net",), "module:function"),
        (("no_such_module:net",), "there is no module no_such_module in this folder or among the installed packages"),
        (("odd_own.deeper:net",), "there is no module odd_own.deeper"),
        (
            ("odd_broken:net",),
            "odd_broken:net failed with ModuleNotFoundError: No module named 'no_such_package_at_all'",
        ),
        (("odd_own:shapes",), "odd_own:shapes has no layers with weights, so there is nothing to convert"),
    ],
)
def test_networks_that_are_none(words: tuple[str, ...], told: str, respike: Runner, folder: Path) -> None:
    outcome = respike("evaluate", *words, "--method", "max_norm", *RUN)
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("odd_own:net", "odd_own:net is no method: its arguments must be network, then calibration if it needs them"),
        ("odd_own:nothing", "the method nothing returned a NoneType, and a method returns a Plan"),
        ("odd_own:fails", "IndexError: list index out of range (odd_own.py:23)"),
    ],
)
def test_methods_that_are_none(method: str, told: str, respike: Runner, folder: Path) -> None:
    outcome = respike("evaluate", "odd_own:net", "--method", method, "--dataset", "own.npz")
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("refinement", "told"),
    [
        ("odd_own:other", "odd_own:other is no refinement: its arguments must be plan, then network and calibration"),
        ("odd_own:unrefined", "the refinement unrefined returned a int, and it returns a Plan"),
    ],
)
def test_refinements_that_are_none(refinement: str, told: str, respike: Runner, folder: Path) -> None:
    outcome = respike("evaluate", "odd_own:net", "--method", "max_norm", "--refine", refinement, *RUN)
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err.splitlines()[-1]


def test_a_method_that_builds_upon_another_one_is_one(respike: Runner, folder: Path) -> None:
    assert respike("evaluate", "odd_own:net", "--method", "odd_own:other", *RUN).code == 0


def test_a_network_without_activations_is_told(respike: Runner, folder: Path) -> None:
    outcome = respike("evaluate", "odd_own:linear", "--method", "max_norm", *RUN)
    assert outcome.code == 0
    assert "odd_own:linear has no activations, so nothing in it spikes" in outcome.err


def test_one_image_is_one_image(respike: Runner, folder: Path) -> None:
    outcome = respike("evaluate", "odd_own:net", "--method", "max_norm", "--steps", 4, "--dataset", "one.npz")
    assert outcome.code == 0
    assert "1 image of one.npz" in outcome.out
    assert "data: 1 image in 1 class from one.npz" in outcome.err


def test_images_that_are_no_numbers_are_named(respike: Runner, folder: Path) -> None:
    error = respike.refused("evaluate", "odd_own:net", "--method", "model_norm", "--steps", 4, "--dataset", "nan.npz")
    assert "NaN or infinite numbers, first in sample 3" in error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("compare", "mnist-mlp", "--methods", "max_norm:steps"), "max_norm: after a colon comes option=value"),
        (("train", "mnist-mlp", "--directory", "/dev/null"), "/dev/null"),
        ((*MODEL, "--input-low", "2"), "--input-low must be below --input-high, got 2 and 1"),
        ((*MODEL, "--input-low", "nan"), "--input-low must be a finite number, got nan"),
        ((*MODEL, "--calibration", "missing.npz"), "there is no file or folder missing.npz"),
        (("data", "fetch", "mnist", "--directory", "/dev/null"), "cannot use /dev/null/mnist: Not a directory"),
    ],
)
def test_places_and_options_that_are_none(words: tuple[str, ...], told: str, respike: Runner) -> None:
    """Before anything long is done."""
    error = respike.refused(*words)
    assert told in error
    assert "Errno" not in error


def test_an_option_in_front_of_the_command(respike: Runner) -> None:
    error = respike.refused("--limit", 3, "evaluate", "mnist-mlp", "--method", "max_norm")
    assert error.startswith("there is no option --limit in front of the command")
    assert error.endswith("put it behind: respike COMMAND --limit")


def test_a_method_without_a_paper_is_described_without_one(respike: Runner, folder: Path) -> None:
    assert "Published" not in respike("methods", "odd_own:other").out
    assert "Published" in respike("methods", "fit").out


def test_an_option_that_does_not_suit_one_of_several_methods_says_how_it_gets_its_own(respike: Runner) -> None:
    words = ("compare", "mnist-mlp", "--steps", 64, "--limit", 8, "--methods")
    refused = respike.refused(*words, "few_spikes,max_norm")
    assert refused == (
        "few_spikes: --steps must be 1 to 24, got 64; few_spikes:steps=X in --methods is for few_spikes alone"
    )
    assert respike(*words, "few_spikes:steps=4,max_norm").code == 0
    assert respike.refused(*words, "few_spikes") == "few_spikes: --steps must be 1 to 24, got 64"
    assert respike.refused(*words, "few_spikes:steps=25,max_norm") == "few_spikes: --steps must be 1 to 24, got 25"


@pytest.mark.parametrize("name", ["pipe.pt2", "pipe.onnx", "pipe.keras", "pipe.h5", "pipe.respike"])
def test_a_pipe_is_no_network(name: str, respike: Runner, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    assert respike.refused("inspect", tmp_path / name) == f"cannot read {tmp_path / name}: it is no plain file"


@pytest.mark.parametrize("name", ["pipe.npz", "pipe.csv", "pipe"])
def test_a_pipe_is_no_data(name: str, respike: Runner, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    refused = respike.refused("inspect", "mnist-mlp", "--dataset", tmp_path / name)
    assert refused == f"cannot read {tmp_path / name}: it is no plain file"
