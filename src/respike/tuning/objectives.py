"""What a search makes better: figures of a report, each with its direction.

Costs are those at the step from which on the accuracy stays within the report's tolerance (`Report.headline`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from respike.errors import InvalidOption, UnknownName
from respike.measure import Report


@dataclass(frozen=True)
class Objective:
    """A figure of a report that is to be made better.

    Args:
        name: as it is asked for.
        larger: whether more of it is better.
        of: reads it from a report.
    """

    name: str
    larger: bool
    of: Callable[[Report], float]

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """The direction as Optuna names it."""
        return "maximize" if self.larger else "minimize"


ACCURACY = Objective("accuracy", True, lambda report: report.headline.accuracy)
MARGIN = Objective("margin", True, lambda report: report.headline.margin or 0.0)
ENERGY = Objective("energy", False, lambda report: report.headline.energy_ratio)
LATENCY = Objective("latency", False, lambda report: float(report.headline.step))
SPIKES = Objective("spikes", False, lambda report: report.headline.spikes_per_neuron)

ALL = (ACCURACY, MARGIN, ENERGY, LATENCY, SPIKES)


def named(names: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives of these names; `UnknownName` gives the nearest match."""
    known = {objective.name: objective for objective in ALL}
    for name in names:
        if name not in known:
            raise UnknownName("objective", name, known)
    if not names or len(set(names)) < len(names):
        raise InvalidOption(f"a search needs different objectives, got {', '.join(names) or 'none'}")
    return tuple(known[name] for name in names)
