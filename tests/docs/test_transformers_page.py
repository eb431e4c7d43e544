"""The table of docs/networks/transformers.md is that of the file that the benchmark wrote."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def benchmark(name: str) -> ModuleType:
    """A script of the benchmarks."""
    spec = importlib.util.spec_from_file_location(f"{name}_rows", ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_made_of_the_measured_rows() -> None:
    every_edge = benchmark("every_edge")
    rows = json.loads(every_edge.ROWS.read_text())
    assert every_edge.table(rows) in every_edge.PAGE.read_text()
    assert all(0 < row["accuracy"] <= 1 and row["images"] >= 1000 for row in rows.values())


def test_the_table_of_the_language_model_is_made_of_the_measured_rows() -> None:
    language = benchmark("language")
    rows = json.loads(language.ROWS.read_text())
    assert language.table(rows) in language.PAGE.read_text()
    assert all(
        row["images"] == 2305 and row["value"] < 1.01 * row["network_value"] for k, row in rows.items() if k == "6"
    )
    assert "6" in rows


def test_the_table_of_networks_in_time_is_made_of_the_measured_rows() -> None:
    differential = benchmark("differential")
    rows = json.loads(differential.ROWS.read_text())
    page = differential.PAGE.read_text()
    assert differential.table(rows) in page
    assert differential.language(rows) in page
    for row in rows.values():
        assert row["images"] >= 1000
        assert "value" in row or len(row["accuracy_over_time"]) == row["steps"]
        assert row["evaluated"] < row["energy_ratio"]
