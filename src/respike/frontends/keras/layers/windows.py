"""Keras' padding rules, as amounts on both sides."""

from __future__ import annotations

from collections.abc import Sequence

from respike.frontends.semantics.layers import Sides


def same_sides(sizes: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> Sides:
    """Zeros in front and behind such that `ceil(size / stride)` windows fit; the odd one goes behind."""
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, window, stride, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def no_sides(count: int) -> Sides:
    """No padding."""
    return ((0, 0),) * count
