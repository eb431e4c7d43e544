"""Keras' padding rules, as pads, sizes and crops."""

from __future__ import annotations

from collections.abc import Sequence

from respike.frontends.keras.call import Call
from respike.ir import Pad

Sides = tuple[tuple[int, int], ...]


def spread(value: int | Sequence[int], count: int) -> tuple[int, ...]:
    """One integer for each of `count` dimensions."""
    return (value,) * count if isinstance(value, int) else tuple(value)


def same_sides(sizes: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> Sides:
    """Zeros in front and behind such that `ceil(size / stride)` windows fit; the odd one goes behind."""
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, window, stride, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def padded(call: Call, name: str, sides: Sides) -> tuple[str, tuple[int, ...]]:
    """The node to read and the padding left to do: uneven sides become a pad of their own."""
    if all(front == behind for front, behind in sides):
        return name, tuple(front for front, _ in sides)
    amounts = tuple(n for side in reversed(sides) for n in side)
    return call.emit(Pad(f"{call.name}.pad", (name,), amounts)), (0,) * len(sides)
