"""What chance explains: Wilson's interval, and how many decisions it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respike import wilson
from respike.intervals import Z, by_chance


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_ends_are_the_shares_that_the_score_test_just_accepts(count: int, share: float) -> None:
    """|p - p0| = z sqrt(p0 (1 - p0) / n) at both ends p0 (Wilson 1927)."""
    low, high = wilson(share, count)
    assert 0 <= low <= high <= 1
    assert low - 1e-9 <= share <= high + 1e-9
    for end in (low, high):
        if 1e-8 < end < 1 - 1e-8:
            assert abs(share - end) == pytest.approx(Z * (end * (1 - end) / count) ** 0.5, rel=1e-6, abs=1e-9)


def test_newcombe_s_example() -> None:
    """81 of 263: 0.2553 to 0.3662 (Newcombe 1998, "Two-sided confidence intervals", Table I, method 3)."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_so_many_decisions_are_half_of_the_interval(count: int, share: float) -> None:
    low, high = wilson(share, count)
    if low > 0 and high < 1:
        assert by_chance(share, count) == pytest.approx((high - low) / 2 * count, abs=1)
        assert by_chance(share, count) <= (high - low) / 2 * count + 1e-6


@pytest.mark.parametrize(("right", "decisions"), [(9882, 21), (10_000, 1), (5000, 97)])
def test_of_ten_thousand_images(right: int, decisions: int) -> None:
    assert by_chance(right / 10_000, 10_000) == decisions
