"""Recordings of event cameras on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cli.running import Runner
from respike import SpikingNetwork, data, load, measure, methods
from respike.coding import Frames
from respike.data import Preparation

MODEL = """
import torch
from torch import nn


def network():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 4, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3)
    ).eval()
"""


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("eventmodel.py").write_text(MODEL)
    images = data.load("mnist", "calibration")
    chosen = [int((images.labels == label).nonzero()[number]) for label in (3, 5, 8) for number in range(4)]
    for number, events in zip(chosen, data.saccades(images.images[chosen]), strict=True):
        split = "Train" if chosen.index(number) % 2 else "Test"
        folder = Path("events", split, str(int(images.labels[number])))
        folder.mkdir(parents=True, exist_ok=True)
        data.write_aer(folder / f"{number}.bin", events)
    return tmp_path / "events"


def test_sequences_are_run_as_they_are_given(respike: Runner, recordings: Path) -> None:
    words = ("eventmodel:network", "--dataset", "events", "--frames", 12)
    outcome = respike("evaluate", *words, "--method", "max_norm", "--steps", 12, "--json", "found.json")
    assert outcome.code == 0, outcome.err
    assert "12x2x34x34" in outcome.err
    found = json.loads(Path("found.json").read_text())

    test = data.open(recordings, preparation=Preparation(frames=12))
    train = data.open(recordings, "train", preparation=Preparation(frames=12))
    from eventmodel import network as factory  # type: ignore[import-not-found]

    network = load(factory(), test.still.images)
    plan = replace(methods.max_norm(network, train.still.images, steps=12), coding=Frames())
    expected = measure(SpikingNetwork(network, plan), (test.images, test.labels))
    assert found["accuracy"] == list(expected.accuracy)
    assert found["network_accuracy"] == expected.network_accuracy
    both = respike("compare", *words, "--methods", "max_norm,direct_copy", "--steps", 12, "--json", "two.json")
    assert both.code == 0, both.err
    assert json.loads(Path("two.json").read_text())[0]["accuracy"] == found["accuracy"]
    assert torch.is_tensor(test.images)


def test_what_is_refused(respike: Runner, recordings: Path) -> None:
    words = ("eventmodel:network", "--dataset", "events")
    told = respike("evaluate", *words, "--method", "max_norm").err
    assert "say into how many frames each is cut" in told
    assert "--frames 32" in told
    fixed = respike("evaluate", *words, "--method", "max_norm", "--steps", 32, "--frames", 32)
    assert fixed.code == 0, fixed.err
    told = respike("evaluate", *words, "--method", "max_norm", "--steps", 5, "--frames", 4).err
    assert "the sequences have 4 frames, and the plan has 5 steps" in told
    told = respike("report", *words, "--methods", "max_norm", "--frames", 4, "--out", "r.html").err
    assert "gives sequences over time, which evaluate and compare alone take" in told
    assert "--frames is for data of your own" in respike.refused(
        "evaluate", "mnist-mlp", "--method", "max_norm", "--frames", 4
    )
