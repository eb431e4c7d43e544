"""`respike diagnose`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.running import Runner
from respike import data
from respike.cli.networks import Subject

BAD = ("--method", "percentile_norm", "--percentile", 20, "--steps", 16)


@pytest.fixture(autouse=True)
def _few_calibration_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Subject, "calibration", property(lambda _: data.load("mnist", "calibration").take(100).images))


def test_it_names_the_layer_and_the_option(respike: Runner, tmp_path: Path) -> None:
    file = tmp_path / "diagnosis.json"
    outcome = respike("diagnose", "mnist-cnn", *BAD, "--limit", 64, "--json", file)
    assert outcome.code == 0
    assert "mnist-cnn by percentile_norm, 64 images of mnist" in outcome.out
    assert "and first with" in outcome.out
    assert "--percentile 99.9; or --method max_norm" in outcome.out
    content = json.loads(file.read_text())
    assert content["first_loss"] == "relu1"
    assert content["findings"][0]["rule"] == "saturation"
    assert content["findings"][0]["advice"] == "percentile=99.9; or methods.max_norm"
    assert f"→ {100 * content['findings'][0]['tried']:.2f} %" in outcome.out
    assert content["options"]["percentile"] == 20
    assert content["options"]["reset"] == "Subtract()"


def test_a_converted_network_that_is_healthy(respike: Runner, tmp_path: Path) -> None:
    file = tmp_path / "net.respike"
    assert respike("convert", "mnist-cnn", "--method", "few_spikes", "--steps", 6, "--out", file).code == 0
    outcome = respike("diagnose", file, "--limit", 64)
    assert outcome.code == 0
    assert "Nothing is wrong with the conversion" in outcome.out
    assert "Change:" not in outcome.out
    assert "converted already, by few_spikes" in respike.refused("diagnose", file, *BAD)


def test_trials_can_be_left_out(respike: Runner) -> None:
    fit = ("--method", "fit", "--input-steps", 1, "--drain-steps", 1, "--threshold", 20)
    outcome = respike("diagnose", "mnist-cnn", *fit, "--limit", 64, "--no-try")
    assert outcome.code == 0
    assert "Change:" in outcome.out
    assert "Tried" not in outcome.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mnist-cnn",), "with --method"),
        (("mnist-cnn", "-m", "max_norm", "--percentile", 5), "max_norm has no option --percentile"),
        (("mnist-cnn", *BAD, "--json", "missing/a.json"), "there is no folder"),
        (("mnist-cnn", *BAD, "--allowed-loss", 100), "--allowed-loss"),
    ],
)
def test_bad_input_is_told_in_one_line(words: tuple[object, ...], message: str, respike: Runner) -> None:
    assert message in respike.refused("diagnose", *words)


def test_its_help_teaches_by_example(respike: Runner) -> None:
    assert "respike diagnose " in respike("diagnose", "--help").out.partition("Examples:")[2]
