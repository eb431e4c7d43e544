"""Searching: the front is what no trial beats; a search that was killed goes on as if nothing had happened."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from networks import Builder, images, suited
from respike import SpikingNetwork, measure, methods, plan, recommend
from respike.errors import InvalidData, InvalidFile, InvalidNetwork, InvalidOption, UnknownName
from respike.ir import Activation, Input, Linear, Multiply, Network, ReLU

pytest.importorskip("optuna", reason="optuna is not installed")

from respike.tuning import ACCURACY, ENERGY, LATENCY, MARGIN, SPIKES, Tuned, from_study, objectives, tune
from respike.tuning import search as search_module
from respike.tuning.spaces import spaces

QUICK = (methods.max_norm, methods.few_spikes)


def subject(seed: int = 0) -> tuple[Network, Tensor, tuple[Tensor, Tensor]]:
    """A random network, and its own decisions as labels, so that conversions differ in accuracy."""
    builder = Builder((2, 5, 5), seed)
    builder.conv(4)
    builder.relu()
    network = replace(builder.network(), origin="small")
    held_out = images(network, 60, seed=9)
    return network, images(network, 40, seed=8), (held_out, network(held_out).argmax(1))


def search(folder: Path, trials: int, seed: int = 3, allowed_loss: float = 1.0) -> Tuned:
    network, calibration, held_out = subject()
    return tune(
        network,
        calibration,
        held_out,
        objectives=(ACCURACY, ENERGY, LATENCY),
        among=QUICK,
        trials=trials,
        longest=16,
        storage=folder / "study.db",
        seed=seed,
        allowed_loss=allowed_loss,
    )


def tried(found: Tuned) -> list[tuple[str, str, tuple[float, ...]]]:
    return [(trial.method, str(trial.options), trial.values) for trial in found.trials]


def dominates(a: tuple[float, ...], b: tuple[float, ...], found: Tuned) -> bool:
    signs = [1 if objective.larger else -1 for objective in found.objectives]
    better = [s * x - s * y for s, x, y in zip(signs, a, b, strict=True)]
    return min(better) >= 0 and max(better) > 0


def test_the_front_is_what_no_trial_beats(tmp_path: Path) -> None:
    found = search(tmp_path, 14)
    assert len(found.trials) == 14
    front = {trial.number for trial in found.front}
    for trial in found.trials:
        beaten = any(dominates(other.values, trial.values, found) for other in found.trials)
        assert beaten == (trial.number not in front)
    # The values are those of the conversions that the options stand for.
    network, calibration, held_out = subject()
    for trial in found.front:
        spiking = from_study(network, calibration, tmp_path / "study.db", "small", trial.number)
        right = (spiking(held_out[0]).argmax(1) == held_out[1]).double().mean()
        assert trial.values[0] == pytest.approx(float(right))
        assert spiking.plan.method == trial.method


def test_what_loses_too_much_is_on_no_front(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    whole = search(tmp_path / "all", 14)
    losses = {trial.number: trial.report["network_accuracy"] - trial.report["accuracy"] for trial in whole.trials}
    assert max(losses[trial.number] for trial in whole.front) > 0.05
    found = search(tmp_path, 14, allowed_loss=0.05)
    kept = [t for t in found.trials if t.report["network_accuracy"] - t.report["accuracy"] <= 0.05 + 1e-9]
    assert len(kept) > 0
    for trial in found.trials:
        beaten = any(dominates(other.values, trial.values, found) for other in kept)
        assert (trial in found.front) == (trial in kept and not beaten)
    network, calibration, _ = subject()
    spiking = from_study(network, calibration, tmp_path / "study.db", "small")
    best = max(found.front, key=lambda trial: trial.report["margin"])
    assert (spiking.plan.method, spiking.plan.options["steps"]) == (best.method, best.options["steps"])


def test_the_margin_tells_apart_what_decides_the_same(tmp_path: Path) -> None:
    """On its own decisions a network is right on all images, and so are fine conversions; finer ones are clearer."""
    network, calibration, held_out = subject()
    reports = [
        measure(SpikingNetwork(network, methods.few_spikes(network, calibration, steps=steps)), held_out)
        for steps in (4, 8, 12)
    ]
    assert reports[1].accuracy == reports[2].accuracy == [1.0]
    found = [MARGIN.of(report) for report in reports]
    assert found == sorted(found)
    assert found[0] < found[1] < found[2] <= 1


def test_the_first_trials_are_the_methods_own_options(tmp_path: Path) -> None:
    first, second, *_ = search(tmp_path, 2).trials
    assert [first.method, second.method] == ["max_norm", "few_spikes"]
    defaults = {name: parameter.default for name, parameter in methods.few_spikes.options.items()}
    assert {name: defaults[name] for name in second.options} == second.options
    assert first.options["steps"] == 16  # as near to the default as the longest allows


def test_every_method_has_a_space_whose_start_it_takes() -> None:
    network, calibration, _ = subject()
    for name, space in spaces(8).items():
        options = space.options(space.parameters())
        assert set(options) <= set(space.method.options)
        found: plan.Plan = space.method.plan(suited(network, space.method), calibration, **options)
        assert found.method == name


def test_interrupted_or_not_the_trials_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = search(tmp_path / "a", 8)
    for trials in (3, 4, 8):
        pieces = search(tmp_path / "b", trials)
    assert tried(pieces) == tried(whole)
    assert tried(search(tmp_path / "b", 8)) == tried(whole)


def test_a_killed_search_goes_on_as_if_undisturbed(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    program = (
        "import importlib.util, sys; from pathlib import Path; sys.path[:0] = sys.argv[3:];"
        "spec = importlib.util.spec_from_file_location('subject', sys.argv[1]);"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module);"
        "module.search(Path(sys.argv[2]), 8)"
    )
    tests = str(Path(__file__).parents[1])
    process = subprocess.Popen([sys.executable, "-c", program, __file__, str(tmp_path / "killed"), tests])
    database = tmp_path / "killed" / "study.db"
    waited = time.monotonic() + 60
    while time.monotonic() < waited and process.poll() is None and finished(database) < 2:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < finished(database) <= 8
    assert tried(search(tmp_path / "killed", 8)) == tried(search(tmp_path / "whole", 8))


def finished(database: Path) -> int:
    if not database.exists():
        return 0
    with sqlite3.connect(database) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def test_another_study_is_refused(tmp_path: Path) -> None:
    search(tmp_path, 1)
    with pytest.raises(InvalidOption, match=r"'small'.*another seed"):
        search(tmp_path, 1, seed=4)
    network, calibration, held_out = subject(seed=1)
    with pytest.raises(InvalidOption, match="another network"):
        tune(network, calibration, held_out, among=QUICK, trials=1, longest=16, storage=tmp_path / "study.db", seed=3)
    with pytest.raises(InvalidOption, match="another network"):
        from_study(network, calibration, tmp_path / "study.db", "small")
    with pytest.raises(InvalidOption, match=r"no study 'other'.*known: small"):
        from_study(network, calibration, tmp_path / "study.db", "other")


def test_a_method_that_fails_ends_its_trial_alone(tmp_path: Path) -> None:
    nodes = (Input("x", (), (4,)), Activation("relu", ("x",), ReLU()), Multiply("square", ("relu", "relu")))
    network = Network(nodes, ("square",), origin="gated")
    batch = images(network, 30)
    found = tune(
        network, batch[:10], (batch[10:], torch.zeros(20).long()), among=QUICK, trials=3, storage=tmp_path / "s.db"
    )
    assert (found.trials, len(found.failed)) == ((), 3)
    assert "'square'" in found.failed[0]


def test_held_out_images_must_be_held_out(tmp_path: Path) -> None:
    network, calibration, held_out = subject()
    with pytest.raises(InvalidData, match="40 of the held-out images are calibration images"):
        tune(network, calibration, (calibration, held_out[1][:40]), trials=1, storage=tmp_path / "s.db")
    with pytest.raises(InvalidData, match="needs calibration images"):
        tune(network, calibration, (torch.empty(0, 2, 5, 5), held_out[1][:0]), trials=1, storage=tmp_path / "s.db")


def test_a_database_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"this is no database, but a text of some length" * 40)
    with pytest.raises(InvalidFile, match=r"study\.db is no database of SQLite: name another file"):
        search(tmp_path, 1)
    (tmp_path / "study.db").write_bytes(b"SQLite format 3\0 and no more")
    with pytest.raises(InvalidFile, match="cannot be used") as caught:
        search(tmp_path, 1)
    assert "finished trials" not in str(caught.value)
    (tmp_path / "study.db").unlink()
    (tmp_path / "study.db").mkdir()
    with pytest.raises(InvalidFile, match="is no database of SQLite"):
        search(tmp_path, 1)


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "study.db").touch()
    assert len(search(tmp_path, 1).trials) == 1


def test_a_network_in_which_nothing_spikes_is_not_searched(tmp_path: Path) -> None:
    network = Network((Input("x", (), (4,)), Linear("fc", ("x",), torch.eye(4))), ("fc",), "linear")
    images = torch.rand(8, 4)
    with pytest.raises(InvalidNetwork, match="linear has no activations: nothing in it would spike"):
        tune(network, images, (images + 1, torch.zeros(8, dtype=torch.long)), trials=1, storage=tmp_path / "s.db")
    with pytest.raises(InvalidNetwork, match="linear has no activations"):
        recommend(network, images, (images + 1, torch.zeros(8, dtype=torch.long)))


@pytest.mark.parametrize(
    "damage", ["UPDATE study_user_attributes SET value_json = '{'", "DELETE FROM study_user_attributes"]
)
def test_a_database_with_damaged_rows_is_told(damage: str, tmp_path: Path) -> None:
    search(tmp_path, 1)
    with closing(sqlite3.connect(tmp_path / "study.db")) as database:
        database.execute(damage)
        database.commit()
    network, calibration, _ = subject()
    with pytest.raises(InvalidFile, match="cannot be used"):
        from_study(network, calibration, tmp_path / "study.db", "small")


def test_objectives_by_name() -> None:
    assert objectives.named(["accuracy", "spikes"]) == (ACCURACY, SPIKES)
    with pytest.raises(UnknownName, match="did you mean 'energy'"):
        objectives.named(["enrgy"])
    with pytest.raises(InvalidOption, match="different objectives"):
        objectives.named(["energy", "energy"])


def test_a_database_that_goes_away_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again, then told; the trials that were finished are kept."""
    database, aside = tmp_path / "study.db", tmp_path / "aside"
    waited: list[float] = []
    measured: list[int] = []

    def measure_and_lose(*args: Any, **options: Any) -> Any:
        measured.append(1)
        if len(measured) == 3:
            database.rename(aside)
            database.mkdir()  # SQLite cannot open it
        return measure(*args, **options)

    monkeypatch.setattr(search_module, "measure", measure_and_lose)
    monkeypatch.setattr(time, "sleep", waited.append)
    with pytest.raises(InvalidFile, match=r"cannot be used: .*the same command goes on"):
        search(tmp_path, 5)
    assert len(waited) >= 3
    database.rmdir()
    aside.rename(database)
    monkeypatch.undo()
    (tmp_path / "whole").mkdir()
    assert tried(search(tmp_path, 5)) == tried(search(tmp_path / "whole", 5))
