"""The numbers in pages are those of the files that benchmarks have written."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def measured() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measured", ROOT / "benchmarks" / "measured.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted(measured().TABLES))
def test_tables_have_the_measured_numbers(page: str) -> None:
    module = measured()
    text = (ROOT / "docs" / "methods" / f"{page}.md").read_text()
    assert module.wanted(page) in text.partition(module.MARK)[2].partition(module.END)[0]


def test_early_exits_are_those_that_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    program = importlib.import_module("early_exit")
    written = program.PAGE.read_text(encoding="utf-8").partition(program.MARK)[2].partition(program.END)[0]
    assert written.strip() == program.table(json.loads(program.RESULT.read_text(encoding="utf-8"))).strip()


def test_recurrent_networks_lose_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    program = importlib.import_module("recurrent")
    written = program.PAGE.read_text(encoding="utf-8").partition(program.START)[2].partition(program.END)[0]
    rows = json.loads(program.ROWS.read_text(encoding="utf-8"))
    assert written.strip() == program.table(rows).strip()
    assert len(rows) == len(program.NAMES) * len(program.STEPS)
    assert len({row["images"] for row in rows.values()}) == 1


def test_the_network_trained_by_others_is_as_right_as_its_page_says() -> None:
    page = (ROOT / "docs" / "networks" / "keras.md").read_text(encoding="utf-8")
    test = (ROOT / "tests" / "frontends" / "test_keras_third_party.py").read_text(encoding="utf-8")
    assert "classifies 80.14 % of CIFAR-10's 10,000 test images correctly" in page
    assert "== 8014" in test
