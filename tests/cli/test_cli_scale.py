"""`--resume` and `--early-exit`, as a user types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.running import Runner

WORDS = ("evaluate", "mnist-mlp", "--method", "direct_copy", "--steps", 8, "--limit", 192)


def test_an_interrupted_run_goes_on_where_it_was(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, file = tmp_path / "whole.json", tmp_path / "resumed.json"
    respike(*WORDS, "--json", whole)
    module: Any = sys.modules["respike.measure.measure"]  # the name `respike.measure` is the verb
    simulate, images = module.simulate, []

    def interrupted(*arguments: Any, first_image: int, **options: Any) -> Any:
        images.append(first_image)
        if len(images) == 3:
            raise KeyboardInterrupt
        return simulate(*arguments, first_image=first_image, **options)

    monkeypatch.setattr(module, "simulate", interrupted)
    outcome = respike(*WORDS, "--json", file, "--resume")
    assert outcome.code == 130
    assert "resumed.json.partial: the same command goes on from there" in outcome.err
    assert json.loads(file.read_text())["images"] == 128
    assert "another limit (192, not 64)" in respike.refused(*WORDS[:-1], 64, "--json", file, "--resume")
    assert respike(*WORDS, "--json", file, "--resume").code == 0
    assert images == [0, 64, 128, 128]
    assert {path.name for path in tmp_path.iterdir()} == {"whole.json", "resumed.json"}
    found, wanted = (json.loads(path.read_text()) for path in (file, whole))
    assert list(found) == list(wanted)
    assert {**found, "seconds": 0} == {**wanted, "seconds": 0}


def test_nothing_is_promised_that_is_not_there(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["respike.measure.measure"], "simulate", interrupted)
    outcome = respike(*WORDS, "--json", tmp_path / "a.json", "--resume")
    assert (outcome.code, outcome.out) == (130, "")
    assert outcome.err == "interrupted\nno batch was finished: nothing is kept\n"
    assert not list(tmp_path.rglob("*.safetensors"))


def test_resuming_needs_a_place(respike: Runner) -> None:
    assert "--resume needs --json FILE" in respike.refused(*WORDS, "--resume")


def test_early_exit_is_told(respike: Runner, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    outcome = respike(*WORDS, "--early-exit", "bound", "--json", file)
    exits = json.loads(file.read_text())["early_exit"]
    assert (exits["rule"], exits["agreement"], sum(exits["exits_per_step"])) == ("bound", 1.0, 192)
    assert f"early exit (bound): {exits['steps_used']:.2f} of 8 steps on average" in outcome.out
    assert "--early-exit takes bound" in respike.refused(*WORDS, "--early-exit", "soon")
