"""docs/guides/events.md against the file that its numbers come from."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_table_is_that_of_the_records() -> None:
    """Every number, made again from benchmarks/events.json."""
    events = runpy.run_path(str(BENCHMARKS / "events.py"))
    made = events["table"](json.loads(events["RESULTS"].read_text()))
    assert made in events["PAGE"].read_text()
