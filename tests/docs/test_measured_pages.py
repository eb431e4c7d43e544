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
