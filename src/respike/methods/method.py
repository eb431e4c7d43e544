"""What a conversion method is: a function that returns a plan, with its citations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, ParamSpec

from respike.plan import Plan

P = ParamSpec("P")


@dataclass(frozen=True)
class Method(Generic[P]):
    """A published conversion method. Call it as the function it wraps: `method(network, calibration, **options)`.

    The plan that comes back carries the method's name, its options (those that it chose itself as chosen) and its
    citations.
    """

    function: Callable[P, Plan]
    cites: tuple[str, ...]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Plan:
        """The plan for a network."""
        plan = self.function(*args, **kwargs)
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        bound.apply_defaults()
        options = {name: value for name, value in bound.arguments.items() if name in self.options}
        return replace(plan, method=self.name, options=options | dict(plan.options), cites=self.cites)

    @property
    def name(self) -> str:
        """The name, as in `respike.methods` and on the command line."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        """One line of what it does."""
        return inspect.getdoc(self.function).splitlines()[0]  # type: ignore[union-attr]

    @property
    def options(self) -> Mapping[str, inspect.Parameter]:
        """The keyword options, with their defaults."""
        parameters = inspect.signature(self.function, eval_str=True).parameters
        return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}

    @property
    def needs_calibration(self) -> bool:
        """Whether the method looks at calibration data, as its second argument."""
        return "calibration" in inspect.signature(self.function).parameters

    def plan(self, network: Any, calibration: Any, **options: Any) -> Plan:
        """The same call for every method: calibration is left out where the method does not take it."""
        call: Callable[..., Plan] = self
        return call(network, calibration, **options) if self.needs_calibration else call(network, **options)


def published(*cites: str) -> Callable[[Callable[P, Plan]], Method[P]]:
    """Makes a method of a function that returns a plan; `cites` says where it was published."""

    def wrap(function: Callable[P, Plan]) -> Method[P]:
        method = Method(function, cites)
        object.__setattr__(method, "__doc__", function.__doc__)
        return method

    return wrap
