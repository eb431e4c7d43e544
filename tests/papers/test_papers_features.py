"""The table of the papers' features names tests and claims that exist."""

from __future__ import annotations

import re
from pathlib import Path

from papers import claims

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "science" / "papers.md").read_text("utf-8")
ROWS = [row for row in TEXT.splitlines() if row.startswith("| ") and not row.startswith(("| Feature", "| ---"))]


def test_every_row_names_a_test_or_a_claim_that_exists() -> None:
    assert len(ROWS) > 30
    known = {claim.id for path in ROOT.glob("papers/*/claims.toml") for claim in claims.read(path)}
    for row in ROWS:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        claimed = re.findall(r"`([\w.-]+)`", row.split("|")[3]) if "claim" in row.split("|")[3] else []
        assert named or claimed, row
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / file).read_text("utf-8"), row
        assert known.issuperset(claimed), row
