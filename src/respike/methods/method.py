"""What a conversion method is: a function that returns a plan, with all that others need to know of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec

from respike.calibrate import Calibration
from respike.errors import InvalidPlan
from respike.ir import Network
from respike.methods.remedy import Remedies
from respike.methods.search import Range, usual
from respike.plan import Plan
from respike.published import Published
from respike.refine import Step
from respike.typed import NETWORK, check_kind

P = ParamSpec("P")


@dataclass(frozen=True, eq=False, repr=False)
class Method(Published[P, Plan]):
    """A published conversion method. Call it as the function it wraps: `method(network, calibration, **options)`.

    The plan that comes back carries the method's name, its options (those that it chose itself as chosen) and its
    citations.

    Args:
        search: where `tuning.tune` looks, by option; the steps, switches and reset unless given.
        remedies: what `diagnose` advises, by the name of the rule that has found something.
        refinements: what is done to each plan that it makes.
        suits: whether it is meant for a network; a search over all methods leaves it out of others.
    """

    search: Mapping[str, Range] | None = None
    remedies: Mapping[str, Remedies] = field(default_factory=dict)
    refinements: tuple[Step, ...] = ()
    suits: Callable[[Network], bool] = lambda network: True

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """The plan for a network."""
        bound = inspect.signature(self.function).bind(*args, **kwargs).arguments
        return self._refine(self._made(*args, **kwargs), bound["network"], bound.get("calibration"))

    def refined(self, *steps: Step) -> Method[P]:
        """The method whose plans are refined in these steps, too."""
        return replace(self, refinements=(*self.refinements, *steps))

    def _made(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """The plan before it is refined."""
        given: Any = args[0] if args else kwargs.get("network")
        check_kind("network", given, Network, NETWORK)
        chosen = self.chosen(*args, **kwargs)
        plan = self.function(*args, **kwargs)
        if not isinstance(plan, Plan):
            raise InvalidPlan(f"the method {self.name} returned a {type(plan).__name__}, and a method returns a Plan")
        # A plan of another method, which this one builds upon, has the options of that one.
        options = chosen | ({} if plan.method else dict(plan.options))
        return replace(plan, method=self.name, options=options, cites=self.cites, refinements=())

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The ranges of the options that a search looks at."""
        return usual(self.options) if self.search is None else self.search

    @property
    def needs_calibration(self) -> bool:
        """Whether the method, or one of its refinements, looks at calibration data."""
        refined = any(step.refinement.needs_calibration for step in self.refinements)
        return "calibration" in self.parameters or refined

    def plan(self, network: Network, calibration: Calibration | None, **options: Any) -> Plan:
        """The same call for every method: calibration is left out where the method does not take it."""
        made: Callable[..., Plan] = self._made
        takes = "calibration" in self.parameters
        plan = made(network, calibration, **options) if takes else made(network, **options)
        return self._refine(plan, network, calibration)

    def _refine(self, plan: Plan, network: Network, calibration: Calibration | None) -> Plan:
        for step in self.refinements:
            plan = step(plan, network, calibration)
        return plan


def published(
    *cites: str,
    search: Mapping[str, Range] | None = None,
    remedies: Mapping[str, Remedies] | None = None,
    suits: Callable[[Network], bool] = lambda network: True,
) -> Callable[[Callable[P, Plan]], Method[P]]:
    """Makes a method of a function that returns a plan.

    Args:
        *cites: where it was published.
        search: where `tuning.tune` looks, by option: ranges of `respike.methods.search`.
        remedies: what `diagnose` advises for plans of this method, by rule: see `respike.methods.remedy`.
        suits: whether it is meant for a network; unless given, it is for every network.
    """

    def wrap(function: Callable[P, Plan]) -> Method[P]:
        return Method(function, cites, search, remedies or {}, suits=suits)

    return wrap
