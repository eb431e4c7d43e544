"""What `--method` and `--refine` name: how to convert, in respike's words or in the user's own code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from respike import methods, refine
from respike.cli import options
from respike.cli.importing import guarded, imported, is_own
from respike.comparing import Chosen, naming
from respike.errors import InvalidOption
from respike.methods import Method, published
from respike.refine import Refinement, Step


def method(name: str, refinements: str | None = None) -> Method[Any]:
    """The method of that name, or the user's own, `module:function`: a `Method`, or a function that returns a plan.

    `refinements` is what follows `--refine`.
    """
    head, _, rest = name.partition(":")
    if rest and head.replace("-", "_") in {one.name for one in methods.ALL}:
        raise InvalidOption(f"{head}: after a colon comes option=value, not {rest!r}")
    found = imported(name, "method") if is_own(name) else methods.find(name)
    if not isinstance(found, Method):
        _check_takes(name, found, "method", "network")
        found = published()(found)
    if is_own(name):
        found = replace(found, function=guarded(name, found.function))
    return found.refined(*steps(refinements))


def chosen(text: str, refinements: str | None, given: Mapping[str, str | bool]) -> list[Chosen]:
    """The methods that `--methods` names, each with its options: `fit,few_spikes:steps=6,module:function`.

    An option that stands with a method is for it alone; one that is `given` as a flag is for all methods that have it
    and do not have their own. A flag that no method has goes to all, so that the first refuses it.
    """
    named = [_named(one.strip(), refinements) for one in text.split(",")]
    found = []
    for one, own in named:
        shared = {
            name: value
            for name, value in given.items()
            if name in one.options or not any(name in other.options for other, _ in named)
        }
        with naming(one.name):
            found.append(Chosen(one, options.read(one, shared | own)))
    return found


def _named(text: str, refinements: str | None) -> tuple[Method[Any], dict[str, str | bool]]:
    """`name`, `name:option=X:other=Y`; the name may be `module:function`."""
    head, *rest = text.split(":")
    if rest and "=" not in rest[0]:
        head = f"{head}:{rest.pop(0)}"
    found = method(head, refinements)
    if bad := next((part for part in rest if "=" not in part), None):
        raise InvalidOption(f"{found.name}: after a colon comes option=value, not {bad!r}")
    return found, {name.replace("-", "_"): value for name, _, value in (part.partition("=") for part in rest)}


def steps(text: str | None) -> tuple[Step, ...]:
    """The refinements that a text names: `A,B=X,C:OPTION=Y,module:function`."""
    return tuple(_step(one.strip()) for one in text.split(",")) if text else ()


def _step(text: str) -> Step:
    """`name`, `name=X` (the first option), `name:option=Y`; the name may be `module:function`."""
    head, *rest = text.split(":")
    known = {one.name for one in refine.ALL}
    if rest and head.partition("=")[0].replace("-", "_") not in known:
        head = f"{head}:{rest.pop(0)}"
    name, _, first = head.partition("=")
    found = refinement(name)
    pairs = [part.partition("=")[::2] for part in rest]
    if first:
        pairs.insert(0, (next(iter(found.options), "…"), first))
    return Step(found, options.read(found, {option.replace("-", "_"): value for option, value in pairs}))


def refinement(name: str) -> Refinement[Any]:
    """The refinement of that name, or the user's own."""
    found = imported(name, "refinement") if is_own(name) else refine.find(name)
    if not isinstance(found, Refinement):
        _check_takes(name, found, "refinement", "plan")
        found = refine.refinement()(found)
    return replace(found, function=guarded(name, found.function)) if is_own(name) else found


def _check_takes(name: str, function: Callable[..., Any], kind: str, first: str) -> None:
    """Refuses a function of the user's own that is no method, or no refinement, by its arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of a function in C
        parameters = []
    plain = [one.name for one in parameters if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    known = [first, *(("network",) if kind == "refinement" else ()), "calibration"]
    if plain[:1] != [first] or any(one not in known for one in plain):
        raise InvalidOption(
            f"{name} is no {kind}: its arguments must be {first}, then {' and '.join(known[1:])} if it needs them, "
            f"then options by keyword; it has {', '.join(plain) or 'none'}"
        )
