"""`respike tune`, and building what it found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.running import Runner
from respike import SpikingNetwork, data
from respike.data import Dataset

pytest.importorskip("optuna", reason="optuna is not installed")


@pytest.fixture
def _training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test images in the place of training images, which do not come with respike."""
    load = data.load

    def loaded(name: str, split: str, *more: Any) -> Dataset:
        return load(name, "test" if split == "train" else split, *more)

    monkeypatch.setattr(data, "load", loaded)


@pytest.mark.usefixtures("_training_images")
def test_search_and_build(respike: Runner, tmp_path: Path) -> None:
    study, out, plot, net = (tmp_path / name for name in ("s.db", "front.json", "front.svg", "net.respike"))
    search = (
        "tune",
        "mnist-mlp",
        "--methods",
        "data_norm,few_spikes",
        "--images",
        100,
        "--longest",
        8,
        "--storage",
        study,
    )
    found = respike(*search, "--trials", 3, "--json", out, "--plot", plot)
    assert found.code == 0
    assert "mnist-mlp, 100 training images of mnist" in found.out
    assert b"<svg" in plot.read_bytes()
    front = json.loads(out.read_text())
    assert (len(front["trials"]), front["complete"]) == (3, True)
    # The same command finds its trials again.
    respike(*search, "--trials", 3, "--json", out)
    assert json.loads(out.read_text()) == front

    assert respike("convert", "mnist-mlp", "--from-study", study, "--trial", 0, "--out", net).code == 0
    built = SpikingNetwork.load(net).plan
    first = front["trials"][0]
    assert (built.method, dict(built.options)["steps"]) == ("data_norm", first["options"]["steps"])


@pytest.mark.usefixtures("_training_images")
def test_bad_searches(respike: Runner, tmp_path: Path) -> None:
    study = tmp_path / "s.db"
    assert "unknown objective 'acuracy': did you mean" in respike.refused("tune", "mnist-mlp", "--objective", "acuracy")
    assert "unknown method" in respike.refused("tune", "mnist-mlp", "--methods", "max")
    convert = ("convert", "mnist-mlp", "--out", tmp_path / "net.respike")
    assert "there is no study database" in respike.refused(*convert, "--from-study", study)
    assert "need --from-study" in respike.refused(*convert, "--trial", 3)
    assert "--from-study already determines" in respike.refused(*convert, "--from-study", study, "--method", "ecc")
