"""What a shell completes: names, flags, and endings of files, as the commands themselves have them.

Importing the commands imports torch, which takes seconds. So a table of their words lies in the user's cache. It is
made anew when a file of respike has changed; a shell that completes reads the table and imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path
from typer.core import TyperCommand

from respike import __version__, files
from respike.errors import InvalidFile

_PACKAGE = Path(__file__).parents[1]
_ASKED = "_RESPIKE_COMPLETE"
_INSTALLING = ("--install-completion", "--show-completion")
_ENDINGS = {
    "convert --out": (".respike",),
    "convert --to": (".nir", ".pt2", "/"),
    "report --out": (".html",),
    "--json": (".json",),
    "--plot": (".png", ".svg"),
}
"""How files that a flag names may end, by the flag, or by the command and the flag."""


@dataclass(frozen=True)
class Value:
    """What may stand for a value.

    Args:
        words: all of them; a shell that finds none completes files.
        joined: several words with commas between them.
        ends: the words are endings of the name of a file.
    """

    words: Sequence[str] = ()
    joined: bool = False
    ends: bool = False

    def completed(self, start: str) -> list[str]:
        """The words that go on from a start."""
        if self.ends:
            stem = start.rpartition(".")[0] or start
            return [stem + end for end in self.words if stem and (stem + end).startswith(start)]
        before, comma, last = start.rpartition(",") if self.joined else ("", "", start)
        return [before + comma + word for word in self.words if word.startswith(last)]


@dataclass(frozen=True)
class Words:
    """What a command takes.

    Args:
        flags: its flags; None is a switch, which takes no value.
        arguments: its arguments, in order.
        commands: its subcommands.
    """

    flags: Mapping[str, Value | None] = field(default_factory=dict)
    arguments: Sequence[Value] = ()
    commands: Mapping[str, Words] = field(default_factory=dict)

    def completed(self, before: Sequence[str], start: str) -> list[str]:
        """The words that go on from `start`, behind the words `before`."""
        if self.commands:
            if before:
                return self.commands.get(before[0], Words()).completed(before[1:], start)
            return [name for name in self.commands if name.startswith(start)]
        arguments = list(self.arguments)
        value: Value | None = None
        for word in _words_of_bash(before):
            if value is not None:
                value = None
            elif word.startswith("-"):
                value = self.flags.get(word)
            else:
                del arguments[:1]
        flag, equals, written = start.partition("=")
        if value is None and equals and (assigned := self.flags.get(flag)) is not None:
            return [f"{flag}={word}" for word in assigned.completed(written)]
        if value is None and start.startswith("-"):
            return [flag for flag in self.flags if flag.startswith(start)]
        if value is None:
            value = arguments[0] if arguments else Value()
        return value.completed("" if start == "=" else start)


def _words_of_bash(words: Sequence[str]) -> list[str]:
    """The words without those that bash makes of `=`: it gives `--method=fit` and `--refine signed=2` as three each."""
    joined = list[str]()
    for word in words:
        if joined and joined[-1].endswith("=") and not joined[-1].startswith("-"):
            joined[-1] += word
        elif word != "=":
            joined.append(word)
        elif joined and not joined[-1].startswith("-"):
            joined[-1] += word
    return joined


@dataclass(frozen=True)
class _Item:
    """One word, as typer's shells want it."""

    value: str
    help: str | None = None
    type: str = "plain"


class Completed(TyperCommand):
    """A command that a shell completes: it knows its words alone."""

    def __init__(self, name: str, words: Words) -> None:
        super().__init__(name)
        self.words = words

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keeps the words as they are."""
        ctx.args = list(args)
        return args

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The words that go on from an incomplete one."""
        return [_Item(word) for word in self.words.completed(ctx.args, incomplete)]


def asked() -> bool:
    """Whether a shell called this process to complete a line."""
    return _ASKED in os.environ


def installing(words: Sequence[str]) -> bool:
    """Whether a command line sets completion up, or shows how."""
    return any(word in _INSTALLING for word in words)


def table(commands: Callable[[], Mapping[str, Any]]) -> dict[str, Words]:
    """The words of each command, from the cache or, where they have changed, of the commands themselves."""
    place = user_cache_path("respike") / f"completion-{hashlib.sha1(bytes(_PACKAGE)).hexdigest()[:12]}.json"
    newest = max(path.stat().st_mtime_ns for path in _PACKAGE.rglob("*.py"))
    stamp = f"{__version__} {newest}"
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):  # none there, or damaged
        kept = json.loads(place.read_bytes())
        if kept["stamp"] == stamp:
            return {name: _read(words) for name, words in kept["commands"].items()}
    made = {name: words_of(name, command) for name, command in commands().items()}
    content = {"stamp": stamp, "commands": {name: asdict(words) for name, words in made.items()}}
    with suppress(OSError, InvalidFile):  # a cache that cannot be written costs time only
        place.parent.mkdir(parents=True, exist_ok=True)
        files.write(place, json.dumps(content).encode(), force=True)
    return made


def words_of(name: str, command: Any) -> Words:
    """The words of a command; it was imported, and so was torch."""
    if subcommands := getattr(command, "commands", None):
        return Words(commands={one: words_of(f"{name} {one}", found) for one, found in subcommands.items()})
    flags: dict[str, Value | None] = {}
    arguments = list[Value]()
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            arguments.append(_argument(name, parameter))
            continue
        value = None if parameter.is_flag else _value(name, parameter)
        flags |= dict.fromkeys((*parameter.opts, *parameter.secondary_opts), value)
    return Words(flags | {"--help": None}, arguments)


def _value(command: str, parameter: Any) -> Value:
    flag = max(parameter.opts, key=len)
    for name in (f"{command} {flag}", flag):
        if name in _ENDINGS:
            return Value(_ENDINGS[name], ends=True)
    if flag in ("--method", "--methods"):
        return Value(_methods(), joined=flag == "--methods")
    if flag == "--refine":
        return Value(_refinements(), joined=True)
    if flag in ("--dataset", "--calibration"):
        return Value(_datasets())
    choices = (parameter.metavar or "").split("|")
    found = [re.match(r"[a-z0-9_.-]+(?:=|$)", one) for one in choices if len(choices) > 1]
    return Value([one[0] for one in found if one is not None])


def _argument(command: str, parameter: Any) -> Value:
    networks = parameter.metavar == "NETWORK" or command == "train"
    known = {"methods": _methods, "refinements": _refinements, "data fetch": _datasets}
    return Value(_networks() if networks else known.get(command, tuple)())


def _networks() -> Sequence[str]:
    from respike import zoo

    return [entry.name for entry in zoo.ENTRIES]


def _methods() -> Sequence[str]:
    from respike import methods

    return [method.name for method in methods.ALL]


def _refinements() -> Sequence[str]:
    from respike import refine

    return [refinement.name for refinement in refine.ALL]


def _datasets() -> Sequence[str]:
    from respike import data

    return [listing.name for listing in data.available()]


def _read(kept: Mapping[str, Any]) -> Words:
    return Words(
        {flag: None if value is None else Value(**value) for flag, value in kept["flags"].items()},
        [Value(**value) for value in kept["arguments"]],
        {name: _read(words) for name, words in kept["commands"].items()},
    )
