"""The table of docs/transformers.md is that of the file that the benchmark wrote."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_is_made_of_the_measured_rows() -> None:
    spec = importlib.util.spec_from_file_location("transformers_rows", ROOT / "benchmarks" / "transformers.py")
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    rows = json.loads(benchmark.ROWS.read_text())
    assert benchmark.table(rows) in benchmark.PAGE.read_text()
    assert all(0 < row["accuracy"] <= 1 and row["images"] >= 1000 for row in rows.values())
