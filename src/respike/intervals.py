"""How far a measured share can be off by chance."""

from __future__ import annotations

from math import sqrt

Z = 1.959964
"""The normal quantile of a two-sided interval of 95 %."""


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share that was counted on so many images (Wilson 1927).

    `(p + z²/2n ± z √(p (1 - p) / n + z²/4n²)) / (1 + z²/n)`. It has a width where all of them are right, too.

    Args:
        share: the share that was counted, from 0 to 1.
        count: how many were looked at.

    Returns:
        The lower and the upper end, from 0 to 1.
    """
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = _half(share, count)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def by_chance(share: float, count: int) -> int:
    """By how many decisions a count of right ones may differ by chance: half of Wilson's interval, in whole ones.

    Args:
        share: the share of them that is right.
        count: how many were looked at.
    """
    return int(_half(share, count) * count)


def _half(share: float, count: int) -> float:
    return Z / (1 + Z**2 / count) * sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
