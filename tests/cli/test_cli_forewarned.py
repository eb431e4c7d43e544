"""What is said before a run: too few calibration images, and neurons that lose charge in many layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli.running import Runner
from respike.cli.running import ENOUGH_IMAGES

DEEP = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(16, 8)]
    for _ in range(12):
        layers += [nn.ReLU(), nn.Linear(8, 8)]
    return nn.Sequential(*layers).eval()
"""


@pytest.mark.parametrize("seen", [ENOUGH_IMAGES - 10, ENOUGH_IMAGES])
def test_few_calibration_images_are_told(seen: int, respike: Runner) -> None:
    run = ("evaluate", "mnist-mlp", "--method", "max_norm", "--steps", 2, "--limit", 8)
    outcome = respike(*run, "--calibration", seen)
    assert outcome.code == 0
    assert (f"max_norm saw {seen} calibration images" in outcome.err) == (seen < ENOUGH_IMAGES)
    assert ("--calibration gives it more" in outcome.err) == (seen < ENOUGH_IMAGES)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_hard_resets_in_deep_networks_are_told(
    reset: str, respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"deep_{reset}.py").write_text(DEEP)
    images = np.random.default_rng(0).random((120, 1, 4, 4), dtype=np.float32)
    np.savez(tmp_path / "own.npz", x_train=images, x_test=images)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    options = ("--method", "max_norm", "--reset", reset, "--steps", 4, "--dataset", "own.npz", "--limit", 8)
    outcome = respike("evaluate", f"deep_{reset}:net", *options)
    assert outcome.code == 0, outcome.err
    assert ("networks as deep as this hardly decide anything" in outcome.err) == (reset == "zero")
