"""The page "Which method, at which cost" is what its script makes of the measured numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, as a module."""
    for folder in (ROOT, ROOT / "benchmarks"):
        monkeypatch.syspath_prepend(folder)
    return pytest.importorskip("which_method")


def test_the_page_is_made_from_the_numbers(program: Any) -> None:
    measured = program.points()
    assert program.PAGE.read_text(encoding="utf-8") == program.page(measured)
    assert len({one.network for one in measured}) >= 2


def test_no_point_beats_one_of_the_front(program: Any) -> None:
    measured = program.points()
    for network in {one.network for one in measured}:
        some = program.whole(one for one in measured if one.network == network)
        best = program.front(some)
        for one in some:
            assert any(other.energy <= one.energy and other.accuracy >= one.accuracy for other in best), one
        assert all(one.energy < other.energy and one.accuracy < other.accuracy for one, other in pairwise(best))


def test_rows_of_fewer_images_say_so_and_are_never_the_best(program: Any) -> None:
    measured = program.points()
    first = program.whole(one for one in measured if one.network == measured[0].network)
    cheap = replace(first[0], images=100, energy=first[0].energy / 1000, steps=999)
    assert cheap not in program.front([*first, cheap])
    (row,) = [line for line in program.page([*first, cheap]).splitlines() if "| 999 |" in line]
    assert "(100 images)" in row
    assert "**" not in row
    assert "images)" not in program.page(first)


def test_a_plain_network_in_eight_signed_steps_beats_one_of_four_levels(program: Any) -> None:
    """As docs/methods/quantised.md says."""
    wanted = ("cifar10-resnet20", "calibrated, signed", 8, 10_000)
    (plain,) = [one for one in program.points() if (one.network, one.method, one.steps, one.images) == wanted]
    rows = json.loads((ROOT / "benchmarks" / "quantised.json").read_text(encoding="utf-8"))
    (levels,) = [
        row
        for row in rows
        if row["network"] == "cifar10-resnet20-qcfs4" and row["options"] == {"steps": 8, "signed": True}
    ]
    assert plain.accuracy > 100 * levels["accuracy"]["8"]
