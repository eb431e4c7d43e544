"""Where a search looks: for each method the ranges of its options, and the point that it starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from respike import methods
from respike.errors import InvalidOption
from respike.methods import Method
from respike.neurons import RESETS

METHOD = "method"
"""The parameter that names the method; all others are `method.option`."""

_SWITCH = CategoricalDistribution((False, True))
_RESET = CategoricalDistribution(tuple(RESETS))


@dataclass(frozen=True)
class Space:
    """The options of one method that are searched; others keep their defaults.

    start: options of the first trial where they are not the method's defaults.
    """

    method: Method[Any]
    ranges: Mapping[str, BaseDistribution]
    start: Mapping[str, Any]

    def parameters(self) -> dict[str, Any]:
        """The point to start from: the method's defaults, as near as the ranges come to them."""
        defaults = {name: parameter.default for name, parameter in self.method.options.items()}
        chosen = defaults | dict(self.start)
        return {METHOD: self.method.name} | {
            self._parameter(name): _nearest(within, chosen[name]) for name, within in self.ranges.items()
        }

    def options(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The method's options that a trial's parameters mean."""
        found = {name: parameters[self._parameter(name)] for name in self.ranges}
        return {name: RESETS[value] if self.ranges[name] is _RESET else value for name, value in found.items()}

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Options that the sampler chooses."""
        return self.options(
            {self._parameter(name): _suggested(trial, self._parameter(name), r) for name, r in self.ranges.items()}
        )

    def _parameter(self, option: str) -> str:
        return f"{self.method.name}.{option}"


def spaces(longest: int, chosen: Sequence[Method[Any]] = methods.ALL) -> dict[str, Space]:
    """The spaces of methods, by name. `longest` bounds the time steps; `InvalidOption` for a method without a space.

    Fewer steps than 2, and percentiles below 99, are not looked at: nothing good was ever found there.
    """
    steps = IntDistribution(2, longest, log=True)
    scaled = {"steps": steps, "per_channel": _SWITCH, "reset": _RESET}
    half = max(2, longest // 2)
    ranges: dict[Method[Any], tuple[dict[str, BaseDistribution], dict[str, Any]]] = {
        methods.direct_copy: (
            {"steps": steps, "threshold": FloatDistribution(0.25, 8.0, log=True), "reset": _RESET},
            {},
        ),
        methods.model_norm: ({"steps": steps, "reset": _RESET}, {}),
        methods.data_norm: ({"steps": steps, "reset": _RESET}, {}),
        methods.max_norm: (scaled, {}),
        methods.percentile_norm: (scaled | {"percentile": FloatDistribution(99.0, 100.0)}, {}),
        methods.fit: (
            {"input_steps": IntDistribution(1, half, log=True), "drain_steps": IntDistribution(0, half)},
            {"input_steps": 12, "drain_steps": 25},
        ),
        methods.threshold_balancing: ({"steps": steps, "reset": _RESET}, {}),
        methods.rmp: ({"steps": steps, "scale": FloatDistribution(0.3, 1.0)}, {}),
        methods.ecc: (
            {"steps": steps, "eta": FloatDistribution(0.0, 1.0), "upfront": _SWITCH, "encoder": _SWITCH},
            {},
        ),
        methods.few_spikes: (
            {"steps": IntDistribution(1, 12), "per_channel": _SWITCH, "half_unit": _SWITCH, "correct_bias": _SWITCH},
            {},
        ),
    }
    if without := [method.name for method in chosen if method not in ranges]:
        raise InvalidOption(f"nothing says which options of {', '.join(without)} to search")
    return {method.name: Space(method, *ranges[method]) for method in chosen}


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as users write them: a reset by its name."""
    by_reset = {repr(reset): name for name, reset in RESETS.items()}
    return {name: by_reset.get(repr(value), value) for name, value in options.items()}


def _nearest(within: BaseDistribution, value: Any) -> Any:
    match within:
        case IntDistribution(low=low, high=high) | FloatDistribution(low=low, high=high):
            return min(max(value, low), high)
        case _:
            return plain({"": value})[""]


def _suggested(trial: BaseTrial, name: str, within: BaseDistribution) -> Any:
    match within:
        case IntDistribution(low=low, high=high, log=log):
            return trial.suggest_int(name, low, high, log=log)
        case FloatDistribution(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
        case _:
            raise InvalidOption(f"{name} has a range of an unknown kind")
