"""Bad input: one line, exit code 2, no file half written. And Ctrl-C: what is finished is kept."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from cli.running import Runner
from respike import methods
from respike.cli import running
from respike.errors import DeadLayerWarning

FIT = ("--method", "fit", "--input-steps", 5, "--drain-steps", 4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("evaluate", "mnist-cn", "-m", "fit"), "unknown network 'mnist-cn': did you mean 'mnist-cnn'?"),
        (("evaluate", "mnist-cnn", "-m", "data_nrm"), "unknown method 'data_nrm': did you mean 'data_norm'?"),
        (("evaluate", "mnist-cnn", "-m", "fit", "-d", "mnst"), "unknown data set 'mnst': did you mean 'mnist'?"),
        (("evaluate", "mnist-cnn", *FIT, "--engine", "batch"), "unknown engine 'batch': did you mean 'batched'?"),
        (("evaluate", "mnist-cnn", *FIT, "--coding", "poisson"), "unknown coding 'poisson'"),
        (("evaluate", "mnist-cnn", *FIT, "--rate", "5"), "--rate needs --coding"),
        (("evaluate", "mnist-cnn"), "with --method"),
        (("evaluate", "mnist-cnn", "-m", "fit", "--steps", "5"), "did you mean --input-steps or --drain-steps?"),
        (("evaluate", "mnist-cnn", "-m", "max_norm", "--stepz", "5"), "did you mean --steps? (options of max_norm: "),
        (("compare", "mnist-cnn", "-m", "fit,max_norm", "--percentile", "5"), "fit has no option --percentile"),
        (("evaluate", "mnist-cnn", "-m", "max_norm", "--steps", "0"), "--steps must be 1 to 1,000,000, got 0"),
        (("evaluate", "mnist-cnn", "-m", "max_norm", "--steps", "x"), "--steps takes a whole number, not 'x'"),
        (("evaluate", "mnist-cnn", "-m", "max_norm", "--reset", "no"), "--reset takes one of subtract, zero"),
        (("evaluate", "mnist-cnn", "-m", "direct_copy", "--threshold", "0"), "--threshold must be above 0, got 0"),
        (
            ("evaluate", "mnist-cnn", "-m", "fit", "--threshold", "nan", "--input-steps", "1"),
            "--threshold must be above 0, got nan",
        ),
        (("evaluate", "mnist-cnn", "-m", "percentile_norm", "--percentile", "101"), "must be in (0, 100]"),
        (("evaluate", "mnist-cnn", *FIT, "--limit", "0"), "--limit"),
        (("evaluate", "mnist-cnn", *FIT, "--plot", "plot.jpeg"), "must end in .png or .svg"),
        (("evaluate", "mnist-cnn", *FIT, "--json", "missing/a.json"), "there is no folder"),
        (("convert", "mnist-cnn", *FIT, "--out", "net.pt"), "must end in .respike"),
        (("convert", "mnist-cnn", *FIT), "Missing option '--out'"),
        (("convert", "mnist-cnn", "--out", "net.respike"), "Missing option '--method'"),
        (("evaluate", "missing.respike"), "there is no file"),
        (("evaluate", "missing.pt2", *FIT), "there is no file"),
        (("evaluate", "model.h5", *FIT), "there is no file"),
        (("data", "fetch", "mnst"), "unknown data set 'mnst': did you mean 'mnist'?"),
        (("data", "fetch", "imagenet"), "cannot be fetched"),
        (("train", "mnist-cn"), "unknown network 'mnist-cn'"),
        (("methods", "fitt"), "unknown method 'fitt': did you mean 'fit'?"),
        (("evaluate", "mnist-cnn", "-m", "max_norm", "--steps", 10**12), "--steps must be 1 to 1,000,000, got 10"),
        (("evaluate", "mnist-cnn", *FIT, "--coding", "bernoulli", "--seed", -1), "--seed"),
        (("evaluate", "mnist-cnn", *FIT, "--coding", "bernoulli", "--rate", "nan"), "got nan"),
        (("evaluate", "mnist-cnn", "-m", "max_norm", "--refine", "initial_potential:share=2"), "in [0, 1), got 2"),
        (("tune", "mnist-cnn", "--longest", 10**12), "--longest"),
        (("tune", "mnist-cnn", "--seed", -1), "--seed"),
        (("convert", "mnist-cnn", *FIT, "--to", "net/", "--bits", 10**12), "--bits"),
        (("diagnose", "mnist-cnn", *FIT, "--allowed-loss", "nan"), "--allowed-loss"),
        (("evaluat",), "Did you mean 'evaluate'?"),
    ],
)
def test_one_line_says_what_is_wrong(
    words: tuple[object, ...], message: str, respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in respike.refused(*words)
    assert not list(tmp_path.iterdir())


def test_a_pickle_is_refused(respike: Runner, tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(1)}, tmp_path / "net.pt")
    assert "is a pickle, which can run any code" in respike.refused(
        "evaluate", tmp_path / "net.pt", *FIT, "-d", "mnist"
    )


@pytest.mark.parametrize("damage", [lambda content: content[:100], lambda content: b"x" * 50, lambda content: b""])
def test_a_damaged_file_is_refused(damage: Any, respike: Runner, tmp_path: Path) -> None:
    file = tmp_path / "net.respike"
    assert respike("convert", "mnist-cnn", *FIT, "--out", file).code == 0
    file.write_bytes(damage(file.read_bytes()))
    assert "net.respike is corrupted, truncated" in respike.refused("evaluate", file)


def test_a_file_in_the_place_of_the_demo_folder(respike: Runner, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    assert "cannot make the folder" in respike.refused("demo", "--out", tmp_path / "out")


def test_nothing_is_run_where_the_results_could_not_be_written(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "measure", lambda *_, **__: pytest.fail("should not have been run"))
    for option in ("--json", "--plot"):
        respike.refused("evaluate", "mnist-cnn", *FIT, option, tmp_path / "missing" / "a.png")


def test_a_seed_without_randomness_is_told(respike: Runner) -> None:
    outcome = respike("evaluate", "mnist-cnn", *FIT, "--limit", 64, "--seed", 4)
    assert outcome.code == 0
    assert outcome.err == "warning: --seed has no effect without --coding bernoulli\n"


def test_warnings_take_one_line(respike: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = methods.Method.plan

    def warned(method: Any, *rest: Any, **options: Any) -> Any:
        warnings.warn("layer 'relu1' is dead", DeadLayerWarning, stacklevel=1)
        return plan(method, *rest, **options)

    monkeypatch.setattr(methods.Method, "plan", warned)
    assert respike("evaluate", "mnist-cnn", *FIT, "-n", 64).err == "warning: layer 'relu1' is dead\n"


class _Interrupted:
    """Presses Ctrl-C in place of a batch."""

    def __init__(self, after: int, simulate: Any) -> None:
        self._left = after
        self._simulate = simulate

    def __call__(self, *rest: Any, **more: Any) -> Any:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        return self._simulate(*rest, **more)


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Interrupts the simulation after so many batches."""
    module = sys.modules["respike.measure.measure"]  # the name `respike.measure` is the verb
    return lambda after: monkeypatch.setattr(module, "simulate", _Interrupted(after, vars(module)["simulate"]))


def test_ctrl_c_keeps_the_images_that_were_finished(respike: Runner, tmp_path: Path, interrupt: Any) -> None:
    interrupt(1)
    file = tmp_path / "report.json"
    outcome = respike("evaluate", "mnist-cnn", *FIT, "--limit", 256, "--json", file)
    assert outcome.code == 130
    assert "interrupted: fit covers the first 64 images only" in outcome.err
    assert "fit *" in outcome.out
    report = json.loads(file.read_text())
    assert (report["complete"], report["images"]) == (False, 64)


@pytest.mark.parametrize("after", [2, 3])
def test_ctrl_c_keeps_the_methods_that_were_finished(
    after: int, respike: Runner, tmp_path: Path, interrupt: Any
) -> None:
    interrupt(after)
    file, words = tmp_path / "reports.json", ("--methods", "fit,max_norm", "--steps", 4, *FIT[2:])
    outcome = respike("compare", "mnist-cnn", *words, "--limit", 128, "--json", file)
    assert outcome.code == 130
    reports = json.loads(file.read_text())
    assert [report["images"] for report in reports] == ([128] if after == 2 else [128, 64])
    assert ("1 of 2 runs are kept" in outcome.err) == (after == 2)
    assert ("max_norm covers the first 64 images only" in outcome.err) == (after == 3)


def test_ctrl_c_before_anything_is_finished(respike: Runner, tmp_path: Path, interrupt: Any) -> None:
    interrupt(0)
    for command in (("evaluate", "mnist-cnn", *FIT), ("compare", "mnist-cnn", "--methods", "fit", *FIT[2:])):
        outcome = respike(*command, "--json", tmp_path / "a.json")
        assert (outcome.code, outcome.out, outcome.err) == (130, "", "interrupted\n")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_training_says_how_to_go_on(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> Any:
        stop = KeyboardInterrupt()
        stop.add_note("train again to continue from there")
        raise stop

    monkeypatch.setattr("respike.zoo.train", stopped)
    outcome = respike("train", "mnist-cnn", "--directory", tmp_path)
    assert (outcome.code, outcome.err) == (130, "interrupted\ntrain again to continue from there\n")
