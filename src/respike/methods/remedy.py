"""Remedies: what to change where a conversion loses accuracy, as the method that made the plan states it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from respike.plan import Plan


@dataclass(frozen=True)
class Remedy:
    """Something to change: options, the method, a refinement to add, or only words.

    Args:
        options: options and their new values.
        method: another method; the one that made the plan unless given.
        refinement: the name of a refinement to add (`respike.refine`).
        note: what it does, or else what to do: the end of a sentence.
    """

    options: Mapping[str, object] = field(default_factory=dict)
    method: str = ""
    refinement: str = ""
    note: str = ""

    def __str__(self) -> str:
        """As one writes it in Python: `percentile=99.9`, `methods.rmp(scale=0.8)`, `refine.signed`."""
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        call = f"methods.{self.method}" + (f"({options})" if options else "") if self.method else options
        refinement = f"refine.{self.refinement}" if self.refinement else ""
        return ", ".join(part for part in (call, refinement, self.note) if part)


Remedies: TypeAlias = Callable[[Plan, float], tuple[Remedy, ...]]
"""From a plan and the figure that a rule of `respike.diagnosis` has found to what can help, the best first; empty where
the method has nothing to say.

The figure is how far activations reach, in multiples of the largest value that spikes can send (rules `saturation` and
`wasted_range`), or 1 where there is none.
"""


def without(option: str) -> Remedies:
    """Advises to switch an option off, where the plan was made with it."""

    def advise(plan: Plan, reach: float) -> tuple[Remedy, ...]:
        return (Remedy({option: False}),) if plan.options[option] else ()

    return advise
