"""A published function of the package: its name, options and citations, read from its signature and docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, ParamSpec, Self, TypeVar

from respike.bounds import bounds_of

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, eq=False, repr=False)
class Published(Generic[P, R]):
    """A function with the papers that it comes from. Its keyword-only arguments are its options.

    `inspect.signature` and `help` show those of the function.

    Args:
        function: what is called.
        cites: where it was published.
    """

    function: Callable[P, R]
    cites: tuple[str, ...]

    def __post_init__(self) -> None:
        shown = ("__module__", "__name__", "__qualname__", "__doc__")
        vars(self).update({name: getattr(self.function, name) for name in shown}, __wrapped__=self.function)

    def __repr__(self) -> str:
        """The name and the signature."""
        return f"{self.name}{inspect.signature(self.function)}"

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        """Itself. `help` shows the signature of what has this method, as functions have."""
        return self

    @property
    def name(self) -> str:
        """The name, as in Python and on the command line."""
        return self.function.__name__

    @property
    def summary(self) -> str:
        """One line of what it does; empty where the function has no docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @cached_property
    def options(self) -> Mapping[str, inspect.Parameter]:
        """The keyword-only arguments, with their types and defaults."""
        return {name: p for name, p in self.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """All arguments, with their types evaluated."""
        return inspect.signature(self.function, eval_str=True).parameters

    def chosen(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """The values of the options in a call with these arguments, defaults included.

        Raises `InvalidOption` where a number is out of the bounds that its annotation states.
        """
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        bound.apply_defaults()
        options = self.options
        for name, value in bound.arguments.items():
            bounds = bounds_of(options[name].annotation) if name in options else None
            if bounds is not None and value is not None:
                bounds.check(name, value)
        return {name: value for name, value in bound.arguments.items() if name in options}
