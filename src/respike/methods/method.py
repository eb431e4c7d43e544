"""What a conversion method is: a function that returns a plan, with all that others need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec

from respike.methods.remedy import Remedies
from respike.methods.search import Range, usual
from respike.plan import Plan
from respike.published import Published

P = ParamSpec("P")


@dataclass(frozen=True, eq=False, repr=False)
class Method(Published[P, Plan]):
    """A published conversion method. Call it as the function it wraps: `method(network, calibration, **options)`.

    The plan that comes back carries the method's name, its options (those that it chose itself as chosen) and its
    citations.

    Args:
        search: where `tuning.tune` looks, by option; the steps, switches and reset unless given.
        remedies: what `diagnose` advises, by the name of the rule that has found something.
    """

    search: Mapping[str, Range] | None = None
    remedies: Mapping[str, Remedies] = field(default_factory=dict)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """The plan for a network."""
        plan = self.function(*args, **kwargs)
        options = self.chosen(*args, **kwargs) | dict(plan.options)
        return replace(plan, method=self.name, options=options, cites=self.cites)

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The ranges of the options that a search looks at."""
        return usual(self.options) if self.search is None else self.search

    @property
    def needs_calibration(self) -> bool:
        """Whether the method looks at calibration data, as its second argument."""
        return "calibration" in self.parameters

    def plan(self, network: Any, calibration: Any, **options: Any) -> Plan:
        """The same call for every method: calibration is left out where the method does not take it."""
        call: Callable[..., Plan] = self
        return call(network, calibration, **options) if self.needs_calibration else call(network, **options)


def published(
    *cites: str, search: Mapping[str, Range] | None = None, remedies: Mapping[str, Remedies] | None = None
) -> Callable[[Callable[P, Plan]], Method[P]]:
    """Makes a method of a function that returns a plan.

    Args:
        *cites: where it was published.
        search: where `tuning.tune` looks, by option: ranges of `respike.methods.search`.
        remedies: what `diagnose` advises for plans of this method, by rule: see `respike.methods.remedy`.
    """

    def wrap(function: Callable[P, Plan]) -> Method[P]:
        return Method(function, cites, search, remedies or {})

    return wrap
