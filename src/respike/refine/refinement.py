"""What a refinement is: a function from a plan to a better plan, which says where it was published."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec

from respike.calibrate import Calibration
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import Network
from respike.passes.edges import place
from respike.plan import Plan, Refined
from respike.published import Published
from respike.typed import PLAN, check_kind

P = ParamSpec("P")


@dataclass(frozen=True, eq=False, repr=False)
class Refinement(Published[P, Plan]):
    """A published refinement. Call it as the function that it wraps.

    Its arguments are the plan, then the network and the calibration images if it needs them, then options by keyword.
    The plan that comes back says that it was refined, with which options, and where that was published.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """The refined plan."""
        before: Any = args[0] if args else kwargs.get("plan")
        check_kind("plan", before, Plan, PLAN)
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        if "network" in bound.arguments:
            bound.arguments["network"] = place(bound.arguments["network"], before.sites)
        done = Refined(self.name, self.chosen(*args, **kwargs))
        cites = tuple(dict.fromkeys((*before.cites, *self.cites)))
        refined = self.function(*bound.args, **bound.kwargs)
        if not isinstance(refined, Plan):
            raise InvalidPlan(f"the refinement {self.name} returned a {type(refined).__name__}, and it returns a Plan")
        return replace(refined, refinements=(*before.refinements, done), cites=cites)

    @property
    def needs_calibration(self) -> bool:
        """Whether it looks at calibration images."""
        return "calibration" in self.parameters

    def apply(self, plan: Plan, network: Network, calibration: Calibration | None, **options: Any) -> Plan:
        """The same call for every refinement: what it does not take is left out."""
        if self.needs_calibration and calibration is None:
            raise InvalidOption(f"the refinement {self.name} needs calibration images")
        given = {"network": network, "calibration": calibration}
        call: Callable[..., Plan] = self
        return call(plan, **{name: value for name, value in given.items() if name in self.parameters}, **options)


def refinement(*cites: str) -> Callable[[Callable[P, Plan]], Refinement[P]]:
    """Makes a refinement of a function from a plan to a plan; `cites` says where it was published."""

    def wrap(function: Callable[P, Plan]) -> Refinement[P]:
        return Refinement(function, cites)

    return wrap


@dataclass(frozen=True, eq=False)
class Step:
    """A refinement with its options, to be applied to a plan that is made later."""

    refinement: Refinement[Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """As a call: `initial_potential(share=0.5)`."""
        return str(Refined(self.refinement.name, self.options))

    def __call__(self, plan: Plan, network: Network, calibration: Calibration | None) -> Plan:
        """The refined plan."""
        return self.refinement.apply(plan, network, calibration, **self.options)
