"""docs/guides/performance.md against the file that its numbers come from."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_tables_are_those_of_the_records() -> None:
    """Every number of the generated part, made again from benchmarks/peers.json."""
    peers = runpy.run_path(str(BENCHMARKS / "peers.py"))
    records = json.loads((BENCHMARKS / "peers.json").read_text(encoding="utf-8"))
    page = peers["PAGE"].read_text(encoding="utf-8")
    assert len(peers["tables"](records)) > 1
    assert peers["rewritten"](page, records) == page


def test_the_table_of_instructions_is_that_of_the_records() -> None:
    counted = runpy.run_path(str(BENCHMARKS / "instructions.py"))
    rows = json.loads(counted["ROWS"].read_text(encoding="utf-8"))
    written = counted["PAGE"].read_text(encoding="utf-8").partition(counted["MARK"])[2].partition(counted["END"])[0]
    assert written.strip() == counted["table"](rows)
    assert rows.keys() <= counted["CASES"].keys()
