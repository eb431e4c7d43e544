"""Long measurements say before how long they take."""

from __future__ import annotations

import pytest

from cli.running import Runner
from respike.cli import estimate

WORDS = ("evaluate", "mnist-mlp", "--method", "max_norm", "--steps", 6, "--limit", 64)


@pytest.mark.parametrize("large", [False, True])
def test_a_long_measurement_is_announced(large: bool, respike: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "LARGE", 0.0 if large else 1e12)
    monkeypatch.setattr(estimate, "TOLD_S", 0.0)
    outcome = respike(*WORDS)
    assert outcome.code == 0
    assert ("max_norm: 64 images of 6 steps take about" in outcome.err) == large


def test_durations_are_told_in_the_unit_one_would_use() -> None:
    told = {61.0: "61 s", 125.0: "2 min", 7200.0: "2 h", 1e6: "12 days"}
    assert {seconds: estimate.duration(seconds) for seconds in told} == told
