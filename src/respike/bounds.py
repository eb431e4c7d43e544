"""The numbers that an option takes: stated where the option is, shown in help, and checked before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, TypeAlias, get_args, get_origin

from respike.errors import Argument, InvalidOption

MOST_STEPS = 1_000_000
"""Time steps that a simulation has at most. Papers use up to 10,000."""


@dataclass(frozen=True)
class Bounds:
    """An interval of numbers. NaN is in none.

    Args:
        low: the smallest.
        high: the largest.
        low_open: `low` itself is not allowed.
        high_open: `high` itself is not allowed.
        whole: whole numbers only.
    """

    low: float
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    whole: bool = False

    def __str__(self) -> str:
        """In words, to follow "must be"."""
        if self.whole:
            return f"{self.low:,} to {self.high:,}" if self.high < math.inf else f"{self.low:,} or more"
        if self.high == math.inf:
            if self.low == -math.inf:
                return "a finite number"
            return f"above {self.low:g}" if self.low_open else f"{self.low:g} or more"
        return f"in {'(' if self.low_open else '['}{self.low:g}, {self.high:g}{')' if self.high_open else ']'}"

    def __contains__(self, value: object) -> bool:
        """Whether a value is such a number."""
        if not isinstance(value, Integral if self.whole else Real) or isinstance(value, bool):
            return False
        number = float(value)
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return above and below and math.isfinite(number)

    def check(self, name: str, value: object) -> None:
        """Raises `InvalidOption`, naming the option, unless the value is such a number."""
        if value not in self:
            raise InvalidOption(Argument(name), f" must be {self}, got {value}")


StepCount: TypeAlias = Annotated[int, Bounds(1, MOST_STEPS, whole=True)]
"""A number of time steps."""
StepCountOrNone: TypeAlias = Annotated[int, Bounds(0, MOST_STEPS, whole=True)]
"""A number of time steps, which may be 0."""
Count: TypeAlias = Annotated[int, Bounds(1, whole=True)]
"""A number of things, of which there is at least one."""
Positive: TypeAlias = Annotated[float, Bounds(0, low_open=True)]
"""A positive number."""
Finite: TypeAlias = Annotated[float, Bounds(-math.inf, low_open=True)]
"""Any finite number."""
Share: TypeAlias = Annotated[float, Bounds(0, 1)]
"""A fraction of a whole; all of it is allowed."""
PartialShare: TypeAlias = Annotated[float, Bounds(0, 1, high_open=True)]
"""A fraction of a whole, less than all of it."""


Percentile: TypeAlias = Annotated[float, Bounds(0, 100, low_open=True)]
"""A percentage of values that are not larger."""


def bounds_of(annotation: Any) -> Bounds | None:
    """The bounds in an annotation such as `StepCount` or `StepCount | None`; None where it states none."""
    for part in (annotation, *get_args(annotation)):
        if get_origin(part) is Annotated:
            return next((one for one in get_args(part)[1:] if isinstance(one, Bounds)), None)
    return None
