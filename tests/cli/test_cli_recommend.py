"""`respike recommend`: a sentence, a table, and a command that works."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from cli.running import Runner
from respike import SpikingNetwork, data, methods, recommending
from respike.cli.sources import Source
from respike.data import Dataset
from respike.recommending import Family

_SMALL = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)).eval()
"""


@pytest.fixture
def _training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test images in the place of training images, which do not come with respike."""
    load = data.load

    def loaded(name: str, split: str, *more: Any) -> Dataset:
        return load(name, "test" if split == "train" else split, *more)

    monkeypatch.setattr(data, "load", loaded)


@pytest.mark.usefixtures("_training_images")
def test_the_command_that_it_ends_with_converts(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("small_net.py").write_text(_SMALL)
    given = ("small_net:net", "--dataset", "mnist", "--calibration", 50)
    found = respike("recommend", *given, "--images", 100, "--lose", 9, "--json", "all.json")
    assert found.code == 0, found.err
    assert "has the least energy of what loses at most 9 points" in " ".join(found.out.split())
    tree = json.loads(Path("all.json").read_text())
    assert tree["chosen"]["accepted"]
    *_, command = found.out.splitlines()
    assert respike(*shlex.split(command)[1:]).code == 0
    plan = SpikingNetwork.load("small_net-net.respike").plan
    assert (plan.method, plan.options["steps"]) == (tree["chosen"]["method"], tree["chosen"]["options"]["steps"])


@pytest.mark.usefixtures("_training_images")
def test_where_nothing_is_found_the_table_shows_what_was_tried(
    respike: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommending, "FAMILIES", (Family(methods.max_norm, (2, 3), binary=True),))
    run = respike("recommend", "mnist-mlp", "--images", 200, "--calibration", 50, "--lose", 0, "--binary")
    assert run.code == 2
    assert "no conversion that was tried loses at most 0 points" in " ".join(run.err.split())
    rows = [line for line in run.out.splitlines() if line.startswith("max_norm")]
    assert rows
    assert all("loses more" in line for line in rows)


@pytest.mark.usefixtures("_training_images")
def test_bad_input(respike: Runner, tmp_path: Path) -> None:
    assert "--lose must be in [0, 100], got -1" in respike.refused("recommend", "mnist-mlp", "--lose", -1)
    assert "unknown preference 'watts'" in respike.refused("recommend", "mnist-mlp", "--prefer", "watts")
    assert "unknown target 'loihi'" in respike.refused("recommend", "mnist-mlp", "--target", "loihi")
    taken = tmp_path / "there.json"
    taken.write_text("{}")
    assert "--force" in respike.refused("recommend", "mnist-mlp", "--json", taken)
    help_text = " ".join(respike("recommend", "--help").out.split())
    assert "never on test images" in help_text


def test_the_command_that_is_told_has_the_flags_of_the_data_and_no_more() -> None:
    source = Source(dataset="digits", mean="0.1", calibration="5")
    assert source.preparation.mean == (0.1,)  # what is made of the flags is none itself
    assert source.given == {"dataset": "digits", "calibration": "5", "mean": "0.1"}
