"""`respike report`, as a user types it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli.running import Runner
from respike import Report, SpikingNetwork
from respike.cli import reporting, running
from respike.engines import fastest
from respike.errors import InvalidNetwork
from respike.report import Witness

WORDS = ("report", "mnist-mlp", "--methods", "direct_copy,model_norm", "--steps", 6, "--limit", 70)


@pytest.fixture
def respike(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setenv("COLUMNS", "120")
    return Runner(capsys)


def _data(page: Path) -> Any:
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert block
    return json.loads(block[1])


def test_the_page_has_the_numbers_of_compare(respike: Runner, tmp_path: Path) -> None:
    page, numbers = tmp_path / "report.html", tmp_path / "reports.json"
    outcome = respike(*WORDS, "--out", page)
    assert outcome.code == 0
    assert f"wrote {page}" in outcome.err
    assert respike("compare", *WORDS[1:], "--json", numbers).code == 0
    for method, report in zip(_data(page)["methods"], json.loads(numbers.read_text()), strict=True):
        curve = method["curve"]
        assert curve["step"] == [1, 2, 3, 4, 5, 6]
        assert curve["accuracy"] == pytest.approx(report["accuracy"], rel=1e-5)
        assert curve["energy"] == pytest.approx(report["energy_over_time"], rel=1e-5)
        assert curve["spikes"][-1] == pytest.approx(report["end"]["spikes_per_neuron"], rel=1e-5)
        assert curve["operations"][-1] == pytest.approx(report["end"]["synaptic_operations"], rel=1e-5)
        assert curve["stands"] == (
            None if report["steps_to_network_accuracy"] is None else report["steps_to_network_accuracy"] - 1
        )
        plain = {name: value for name, value in report.items() if isinstance(value, str | int | float | None)}
        assert plain.keys() == method["report"].keys() - {"options", "decisions"}
        same = plain.keys() - {"seconds"}
        assert {name: method["report"][name] for name in same} == {name: plain[name] for name in same}
        layers = {layer["name"]: layer["spikes"][-1] for layer in method["costs"] if layer["kind"] == "spikes"}
        assert layers == pytest.approx(report["spikes_per_layer"], rel=1e-3)
        right = sum(row[place] for place, row in enumerate(method["confusion"]["matrix"]))
        assert right / 70 == report["accuracy"][-1]


def test_what_is_there_is_not_written_over_and_nothing_is_measured(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, folder = tmp_path / "report.html", tmp_path / "figures"
    page.write_text("mine")
    folder.mkdir()
    (folder / "mine.png").write_text("mine")
    monkeypatch.setattr(reporting, "find", lambda *_: pytest.fail("the network was loaded"))
    assert "is there already: --force" in respike.refused(*WORDS, "--out", page)
    assert "is not empty: --force" in respike.refused(*WORDS, "--out", tmp_path / "new.html", "--figures", folder)
    assert "there is no folder" in respike.refused(*WORDS, "--out", tmp_path / "no" / "page.html")
    assert "it is no folder" in respike.refused(*WORDS, "--out", tmp_path / "new.html", "--figures", page)
    assert page.read_text() == "mine"


def test_an_option_that_the_last_method_refuses_is_told_before_anything_is_measured(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "measured", lambda *_: pytest.fail("a method was measured"))
    words = (
        "report",
        "mnist-mlp",
        "-m",
        "model_norm,few_spikes",
        "--steps",
        32,
        "--out",
        tmp_path / "report.html",
    )
    assert "few_spikes: --steps must be 1 to 24, got 32" in respike.refused(*words)


def test_a_method_that_fails_is_named_and_the_others_are_reported(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(spiking: SpikingNetwork, *more: Any) -> Report:
        if spiking.plan.method == "max_norm":
            raise InvalidNetwork("the network gives NaN")
        return running.measured(spiking, *more)

    monkeypatch.setattr(reporting, "measured", measured)
    page = tmp_path / "report.html"
    outcome = respike("report", "mnist-mlp", "-m", "max_norm,model_norm", "--steps", 4, "-n", 8, "-o", page)
    assert outcome.code == 2
    assert "max_norm: the network gives NaN" in outcome.err
    assert "left out: max_norm" in outcome.err
    data = _data(page)
    assert [method["name"] for method in data["methods"]] == ["model_norm"]
    ((name, why),) = data["failed"]
    assert name.startswith("max_norm")
    assert why == "the network gives NaN"


def test_options_of_one_method_stand_with_it(respike: Runner, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    methods = "few_spikes:steps=3,model_norm:steps=4,model_norm"
    outcome = respike("report", "mnist-mlp", "-m", methods, "--steps", 5, "-n", 8, "-o", page)
    assert outcome.code == 0
    assert "for few_spikes the steps K of each layer, for model_norm the time steps" in outcome.err
    found = [(method["name"], method["report"]["latency"]) for method in _data(page)["methods"]]
    assert found == [("few_spikes", 6), ("model_norm (steps=4)", 4), ("model_norm (steps=5)", 5)]


def test_force_writes_over_what_is_there(respike: Runner, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("old")
    assert respike("report", "mnist-mlp", "-m", "model_norm", "--steps", 4, "-n", 8, "-o", page, "--force").code == 0
    assert _data(page)["methods"][0]["report"]["method"] == "model_norm"
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.toml"}


def _interrupt_second(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def measured(*arguments: Any) -> Report:
        calls.append(arguments)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return running.measured(*arguments)

    monkeypatch.setattr(reporting, "measured", measured)


def test_an_interrupt_leaves_a_whole_page_of_what_is_finished(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    _interrupt_second(monkeypatch)
    outcome = respike(*WORDS, "--out", page)
    assert outcome.code == 130
    assert "1 of 2 runs are kept" in outcome.err
    assert [method["report"]["method"] for method in _data(page)["methods"]] == ["direct_copy"]


def test_an_interrupt_before_anything_is_finished_leaves_nothing(
    respike: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Report:
        raise KeyboardInterrupt

    for name in ("measured", "_collected"):
        with monkeypatch.context() as patch:
            patch.setattr(reporting, name, interrupted)
            outcome = respike(
                "report", "mnist-mlp", "-m", "model_norm", "--steps", 4, "-n", 8, "-o", tmp_path / "a.html"
            )
        assert outcome.code == 130
        assert "no page was written" in outcome.err
        assert not list(tmp_path.iterdir())


def test_the_witness_is_the_engine_that_it_watches() -> None:
    assert Witness(fastest).__name__ == "fastest"  # type: ignore[arg-type]
