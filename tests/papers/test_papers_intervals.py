"""Confidence intervals against published examples and against their own definitions."""

from __future__ import annotations

from math import inf, sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from papers.intervals import Estimate, apart, mean, paired, ratio

from respike.intervals import Z


def test_newcombe_s_own_example() -> None:
    """56/70 against 48/80: method 10 gives 0.0524 to 0.3339 (Newcombe 1998, Table II a)."""
    found = apart(56 / 70, 48 / 80, 70, 80)
    assert found.value == pytest.approx(20)
    assert [found.low, found.high] == pytest.approx([5.24, 33.39], abs=0.005)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 500))
def test_paired_proportions_are_agresti_and_min_s(only_first: int, only_second: int, both: int) -> None:
    """Half an image is added to each cell of the table: written out from the four counts."""
    images = only_first + only_second + both
    if not images:
        return
    first = torch.tensor([1.0] * only_first + [0.0] * only_second + [1.0] * both)
    second = torch.tensor([0.0] * only_first + [1.0] * only_second + [1.0] * both)
    found = paired(first, second)
    b, c, n = only_first + 0.5, only_second + 0.5, images + 2
    centre, half = (b - c) / n, Z * sqrt((b + c) - (b - c) ** 2 / n) / n
    value = (only_first - only_second) / images
    assert found.value == pytest.approx(100 * value, abs=1e-9)
    assert found.low == pytest.approx(100 * min(centre - half, value), abs=1e-9)
    assert found.high == pytest.approx(100 * max(centre + half, value), abs=1e-9)


def test_a_paired_interval_has_a_width_where_no_decision_differs() -> None:
    right = torch.ones(100)
    found = paired(right, right)
    assert found.low < found.value == 0 < found.high


def test_a_ratio_s_bootstrap_agrees_with_the_delta_method() -> None:
    generator = torch.Generator().manual_seed(1)
    second = 1 + torch.rand(4000, generator=generator)
    first = 2 * second + torch.rand(4000, generator=generator)
    found = ratio(first, second)
    residual = first - found.value * second
    error = float(residual.std()) / sqrt(4000) / float(second.mean())
    assert found.value == pytest.approx(float(first.mean() / second.mean()), rel=1e-5)
    assert found.high - found.low == pytest.approx(2 * Z * error, rel=0.1)


def test_a_mean_s_interval_covers_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(2)
    covered = sum(
        found.low <= 0.5 <= found.high for found in (mean(torch.rand(50, generator=generator)) for _ in range(1000))
    )
    assert 920 <= covered <= 975


def test_what_was_not_measured_excludes_nothing() -> None:
    assert Estimate.unknown() == Estimate(0.0, -inf, inf)
