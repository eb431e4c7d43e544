"""A method's options as flags: names, types, defaults and help come from its signature and docstring."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import typer

from respike.bounds import Bounds, bounds_of
from respike.cli.choices import CODINGS
from respike.errors import InvalidOption
from respike.methods import ALL, Method
from respike.methods.remedy import Remedy
from respike.neurons import RESETS, Reset
from respike.published import Published


def _names(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(text.split(","))


@dataclass(frozen=True)
class Kind:
    """How the values of a type are written: what stands for one in a help text, and how one is read."""

    metavar: str
    wanted: str
    read: Callable[[str], Any]


KINDS: Mapping[Any, Kind] = {
    int: Kind("N", "a whole number", int),
    float: Kind("X", "a number", float),
    tuple[str, ...]: Kind("NAMES", "names with commas between them, or none", _names),
    Reset: Kind("|".join(RESETS), f"one of {', '.join(RESETS)}", RESETS.__getitem__),
}
"""By type. A `bool` is the one besides: it is a flag and its opposite, and has no value."""


@dataclass(frozen=True)
class Option:
    """One option of one method."""

    name: str
    type: Any
    default: Any
    help: str
    bounds: Bounds | None = None

    @property
    def flag(self) -> str:
        """How it is written."""
        return flag(self.name)

    @property
    def flags(self) -> str:
        """The same, with the opposite of a switch."""
        return f"{self.flag}/--no-{self.flag[2:]}" if self.type is bool else self.flag

    @property
    def explained(self) -> str:
        """What it does, and which numbers it takes."""
        text = self.help.rstrip(".")
        return f"{text}; {self.bounds}" if self.bounds is not None else text

    @property
    def metavar(self) -> str:
        """What stands for its value in a help text."""
        return "" if self.type is bool else KINDS[self.type].metavar

    def read(self, text: str | bool) -> Any:
        """The value that a text on the command line means; `InvalidOption` where it means none."""
        if isinstance(text, bool):
            return text
        if self.type is bool:
            if text not in ("on", "off"):
                raise InvalidOption(f"{self.name} is on or off, not {text!r}")
            return text == "on"
        try:
            return KINDS[self.type].read(text)
        except (ValueError, KeyError):
            raise InvalidOption(f"{self.flag} takes {KINDS[self.type].wanted}, not {text!r}") from None


def flag(name: str) -> str:
    """An argument's name as a flag: `input_steps` is `--input-steps`."""
    return "--" + name.replace("_", "-")


def written(value: Any) -> str:
    """A default as one would write it on the command line."""
    names = [name for name, reset in RESETS.items() if reset == value]
    names += [name for name, kind in CODINGS.items() if isinstance(value, kind)]
    match value:
        case None:
            return "chosen"
        case bool():
            return "on" if value else "off"
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(value) or "none"
        case _:
            return names[0] if names else str(value)


def flags(values: Mapping[str, Any]) -> str:
    """Options and their values as one writes them on the command line."""
    return " ".join(_flagged(name, value) for name, value in values.items())


def remedy(one: Remedy) -> str:
    """A remedy as one writes it on the command line."""
    method = f"--method {one.method}" if one.method else ""
    refinement = f"--refine {one.refinement}" if one.refinement else ""
    written = " ".join(part for part in (method, flags(one.options), refinement) if part)
    return ", ".join(part for part in (written, one.note) if part)


def _flagged(name: str, value: Any) -> str:
    match value:
        case None:
            return f"no {flag(name)}"
        case bool():
            return flag(name) if value else f"--no-{flag(name)[2:]}"
        case _:
            return f"{flag(name)} {written(value)}"


@functools.cache
def options(method: Published[Any, Any]) -> Mapping[str, Option]:
    """The options of a method or a refinement, by name."""
    texts = _texts(inspect.getdoc(method.function) or "")
    return {
        name: Option(
            name,
            _plain(parameter.annotation),
            parameter.default,
            texts.get(name, ""),
            bounds_of(parameter.annotation),
        )
        for name, parameter in method.options.items()
    }


def read(method: Published[Any, Any], given: Mapping[str, str | bool]) -> dict[str, Any]:
    """The arguments of a method or a refinement from what was given; `InvalidOption` where it has no such option."""
    known = options(method)
    for name in given:
        if name not in known:
            raise InvalidOption(
                f"{method.name} has no option {flag(name)}{near(flag(name), map(flag, known))} ({listed(method)})"
            )
    return {name: known[name].read(text) for name, text in given.items()}


def listed(method: Published[Any, Any]) -> str:
    """All options of a method or a refinement in a line."""
    return f"options of {method.name}: {', '.join(option.flag for option in options(method).values())}"


def near(unknown: str, known: Iterable[str]) -> str:
    """A question whether one of the known flags was meant, where one is close or holds the unknown one."""
    flags = list(known)
    meant = [other for other in flags if unknown[2:] in other] or get_close_matches(unknown, flags, n=1, cutoff=0.5)
    return f": did you mean {' or '.join(meant)}?" if meant else ""


def with_method_options(command: Callable[..., None], own: Iterable[Method[Any]] = ()) -> Callable[..., None]:
    """The command with a flag for every option of every method; it gets those that were given as `given`.

    The methods are those of respike and the user's `own`.
    """
    methods = [*ALL, *own]
    signature = inspect.signature(command, eval_str=True)
    before = [parameter for parameter in signature.parameters.values() if parameter.name != "given"]

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> None:
        called = {parameter.name: arguments.pop(parameter.name) for parameter in before}
        command(**called, given={name: value for name, value in arguments.items() if value is not None})

    names = dict.fromkeys(name for method in methods for name in options(method))
    shared = [_parameter(name, methods) for name in names]
    wrapped.__signature__ = signature.replace(parameters=[*before, *shared])  # type: ignore[attr-defined]
    return wrapped


def _parameter(name: str, methods: Sequence[Method[Any]]) -> inspect.Parameter:
    """A flag for all methods that have it. It is read later, as the type that the chosen method gives it."""
    owners = {method.name: options(method)[name] for method in methods if name in options(method)}
    option = min(owners.values(), key=lambda owner: len(owner.help))
    others = [method.name for method in methods if method.name not in owners]
    who = f"all but {', '.join(others)}" if 0 < len(others) < len(owners) else ", ".join(owners)
    info = typer.Option(
        option.flags,
        help=f"{option.explained} ({who})",
        metavar=option.metavar or None,
        rich_help_panel="Options of methods (defaults: respike methods NAME)",
        show_default=False,
    )
    annotation = Annotated[bool | None, info] if option.type is bool else Annotated[str | None, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _plain(annotation: Any) -> Any:
    """The type in an annotation, without bounds and without None."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[0]
    kept = [part for part in get_args(annotation) if part is not NoneType]
    return _plain(kept[0]) if len(kept) == 1 else annotation


def _texts(docstring: str) -> dict[str, str]:
    """What the "Args:" section of a docstring says of each argument."""
    section = re.search(r"^Args:\n((?: +.*\n?|\n)*)", docstring, re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
