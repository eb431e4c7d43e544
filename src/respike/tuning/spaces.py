"""Where a search looks: the ranges that methods state, as Optuna has them, and the point that it starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from optuna.trial import BaseTrial

from respike import methods
from respike.errors import InvalidOption
from respike.methods import Method
from respike.methods.search import Choice, Range, Real, Steps, Whole
from respike.neurons import RESETS

METHOD = "method"
"""The parameter that names the method; all others are `method.option`."""

Bounded: TypeAlias = Whole | Real | Choice
"""A range that no longer depends on how long the search is."""


@dataclass(frozen=True)
class Space:
    """The options of one method that are searched; others keep their defaults."""

    method: Method[Any]
    ranges: Mapping[str, Bounded]

    def parameters(self) -> dict[str, Any]:
        """The point to start from: what the ranges say, or else the method's defaults, as near as the ranges come."""
        defaults = {name: option.default for name, option in self.method.options.items()}
        return {METHOD: self.method.name} | {
            self._parameter(name): _start(within, defaults[name]) for name, within in self.ranges.items()
        }

    def options(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The method's options that a trial's parameters mean."""
        return {name: _meant(within, parameters[self._parameter(name)]) for name, within in self.ranges.items()}

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Options that the sampler chooses."""
        return self.options(
            {self._parameter(name): _suggested(trial, self._parameter(name), r) for name, r in self.ranges.items()}
        )

    def _parameter(self, option: str) -> str:
        return f"{self.method.name}.{option}"


def spaces(longest: int, chosen: Sequence[Method[Any]] = methods.ALL) -> dict[str, Space]:
    """The spaces of methods, by name. `longest` bounds the time steps.

    Raises `InvalidOption` where two methods have one name.
    """
    found = {method.name: Space(method, _bounded(method.ranges, longest)) for method in chosen}
    if len(found) < len(chosen):
        names = ", ".join(sorted(method.name for method in chosen))
        raise InvalidOption(f"a search needs methods of different names, got {names}")
    return found


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as users write them: a reset by its name."""
    by_reset = {repr(reset): name for name, reset in RESETS.items()}
    return {name: by_reset.get(repr(value), value) for name, value in options.items()}


def _bounded(ranges: Mapping[str, Range], longest: int) -> dict[str, Bounded]:
    return {name: one.within(longest) if isinstance(one, Steps) else one for name, one in ranges.items()}


def _start(within: Bounded, default: Any) -> Any:
    value = default if within.start is None else within.start
    match within:
        case Choice():
            return _written(value)
        case _:
            return min(max(value, within.low), within.high)


def _suggested(trial: BaseTrial, name: str, within: Bounded) -> Any:
    match within:
        case Whole():
            return trial.suggest_int(name, within.low, within.high, log=within.log)
        case Real():
            return trial.suggest_float(name, within.low, within.high, log=within.log)
        case Choice(values=values):
            return trial.suggest_categorical(name, [_written(value) for value in values])


def _meant(within: Bounded, parameter: Any) -> Any:
    """The value that is written in a study as `parameter`."""
    if not isinstance(within, Choice):
        return parameter
    return next(value for value in within.values if _written(value) == parameter)


def _written(value: Any) -> Any:
    return plain({"": value})[""]
