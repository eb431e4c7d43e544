"""Where a search (`respike.tuning`) looks: the range of each option of a method, as the method's own file states it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from respike.neurons import RESETS, Reset


@dataclass(frozen=True)
class Whole:
    """Whole numbers from `low` to `high`, both included.

    Args:
        low: the smallest.
        high: the largest.
        log: try them evenly in their logarithm, for numbers that act as factors.
        start: what the first trial takes; the method's default unless given.
    """

    low: int
    high: int
    log: bool = False
    start: int | None = None


@dataclass(frozen=True)
class Steps:
    """Time steps from `low` to a share of the longest time that the search allows (`longest` of `tuning.tune`)."""

    low: int = 2
    share: float = 1.0
    log: bool = True
    start: int | None = None

    def within(self, longest: int) -> Whole:
        """The whole numbers of a search of that length."""
        return Whole(self.low, max(2, int(longest * self.share)), self.log, self.start)


@dataclass(frozen=True)
class Real:
    """Numbers from `low` to `high`; see `Whole`."""

    low: float
    high: float
    log: bool = False
    start: float | None = None


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]
    start: Any = None


Range: TypeAlias = Whole | Steps | Real | Choice

SWITCH = Choice((False, True))
"""An option that is on or off."""
RESET = Choice(tuple(RESETS.values()))
"""An option that says what a neuron does after a spike."""


def usual(options: Mapping[str, inspect.Parameter]) -> dict[str, Range]:
    """The ranges of a method that states none: its steps, its switches and its reset; other options are left alone."""
    by_type: dict[Any, Range] = {bool: SWITCH, Reset: RESET}
    found = {name: by_type[option.annotation] for name, option in options.items() if option.annotation in by_type}
    return {"steps": Steps(), **found} if "steps" in options else found
