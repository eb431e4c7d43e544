"""`respike run`: a command with all its options in one file, which does the same again wherever it is run."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from respike import __version__, files
from respike.cli import console, seeds
from respike.cli.app import COMMANDS
from respike.cli.outputs import STDOUT, Outputs
from respike.errors import InvalidFile, RespikeError, UnknownName

COMMAND, MADE_WITH = "command", "made_with"
"""The key of the command, and the table of versions; all other keys are the command's options."""

SUFFIX = ".toml"


def versions() -> dict[str, str]:
    """What results depend on beside the file: the versions of respike and torch."""
    return {"respike": __version__, "torch": str(torch.__version__)}


@dataclass(frozen=True)
class Experiment:
    """A command and what it is given, as a file holds it.

    Args:
        command: the command's name.
        values: by key: an option's name without its dashes (`input_steps` for `--input-steps`), or an argument's name.
        made_with: the versions that the file was made with; empty where it does not say.
        seeds: the command is run once with each; empty for one run.
    """

    command: str
    values: Mapping[str, Any]
    made_with: Mapping[str, str] = field(default_factory=dict)
    seeds: Sequence[int] = ()

    @classmethod
    def read(cls, path: Path) -> Experiment:
        """The experiment in a file; `InvalidFile` where it is no TOML, or says nothing of a command."""
        try:
            found = tomllib.loads(files.read(path).decode())
        except (ValueError, RecursionError) as error:
            raise InvalidFile(f"{path} is no TOML file: {error}") from error
        command, made_with = found.pop(COMMAND, None), found.pop(MADE_WITH, {})
        if not isinstance(command, str):
            raise InvalidFile(f'{path} does not say what to run: begin it with {COMMAND} = "evaluate"')
        if not isinstance(made_with, dict):
            raise InvalidFile(f"{path}: [{MADE_WITH}] is a table of versions")
        several = seeds.checked(found.pop(seeds.KEY)) if seeds.KEY in found else ()
        return cls(command, {key.replace("-", "_"): value for key, value in found.items()}, made_with, several)

    @classmethod
    def of(cls, context: typer.Context, without: Collection[str] = ()) -> Experiment:
        """What a command under way was given on its command line, but for the keys in `without`."""
        given = {
            key: _plain(context.params[parameter.name])
            for key, parameter in keys(context.command).items()
            if key not in without and _named(context, parameter.name)
        }
        assert context.info_name is not None
        return cls(context.info_name, given, versions())

    @property
    def words(self) -> list[str]:
        """The command line that it stands for.

        Raises:
            UnknownName: an unknown command or key, with the nearest match.
            InvalidFile: a value that no option can have.
        """
        if self.command not in COMMANDS or COMMANDS[self.command].passes_on:
            raise UnknownName("command", self.command, [name for name, one in COMMANDS.items() if not one.passes_on])
        # Methods of the user's own bring options of their own, so it needs the words to know the keys.
        naming = [f"--{key}={_text(key, value)}" for key, value in self.values.items() if key in ("method", "methods")]
        known = keys(COMMANDS[self.command].whole(self.command, naming))
        for key in self.values:
            if key not in known:
                raise UnknownName(f"key of {self.command}", key, [*known, seeds.KEY])
        ordered = sorted(self.values.items(), key=lambda item: known[item[0]].param_type_name != "argument")
        return [self.command, *(word for key, value in ordered for word in _words(known[key], key, value))]

    def toml(self) -> str:
        """As a file has it."""
        entries = [f"{key} = {_toml(value)}\n" for key, value in {COMMAND: self.command, **self.values}.items()]
        made = [f"{name} = {_toml(version)}\n" for name, version in self.made_with.items()]
        return "".join([*entries, f"\n[{MADE_WITH}]\n", *made])


def keys(command: Any) -> dict[str, Any]:
    """What a file for a command may say, by key: the command's own parameters."""
    return {_key(parameter): parameter for parameter in command.params}


def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The experiment, a TOML file.", show_default=False)],
    show: Annotated[bool, typer.Option("--show", help="Only show the command line that the file stands for.")] = False,
) -> None:
    """Run the experiment that a file describes: a command with all its options.

    The file names a command; its other keys are that command's arguments and options (respike COMMAND --help), without
    dashes:

      command = "evaluate"
      network = "mnist-cnn"
      method = "fit"
      input_steps = 12
      refine = ["correct_biases"]
      limit = 1000
      json = "results.json"

    Lists stand for words with commas between them, true and false for a flag and its opposite. With seeds = [1, 2, 3]
    in the place of a seed, the command is run with each, and the result has means and standard deviations. Options
    behind FILE are added, and replace those of the file. Paths start at the current folder. `respike report` writes
    such a file beside every page.
    """
    try:
        experiment = Experiment.read(file)
        words = [*experiment.words, *context.args]
    except RespikeError as error:
        error.args = ("" if str(file) in str(error) else f"{file}: ", *error.args)
        raise
    written = shlex.join(["respike", *words])
    if show:
        console.OUT.print(written, soft_wrap=True)
        return
    console.note(written)
    for name, version in versions().items():
        if experiment.made_with.get(name, version) != version:
            console.warning(
                f"{file} was made with {name} {experiment.made_with[name]}, and this is {version}: "
                "numbers may differ in the last digits"
            )
    if experiment.seeds:
        _with_each(experiment.seeds, words, context)
    else:
        _invoke(words, context)


def _invoke(words: Sequence[str], context: typer.Context) -> None:
    name, *rest = words
    command = COMMANDS[name].whole(name, rest)
    with command.make_context(name, rest, parent=context.parent) as inner:
        command.invoke(inner)


def _with_each(several: Sequence[int], words: Sequence[str], context: typer.Context) -> None:
    name, *rest = words
    command = COMMANDS[name].whole(name, rest)
    with command.make_context(name, list(rest), parent=context.parent) as inner:
        values = {key: inner.params.get(parameter.name) for key, parameter in keys(command).items()}
    seeds.check(name, keys(command), values)
    outputs = Outputs({"--json": values["json"]}, force=bool(values.get("force")))
    seeds.run(lambda seed: _invoke([*words, f"--seed={seed}", f"--json={STDOUT}"], context), several, outputs)


def _key(parameter: Any) -> str:
    """An option's longest name without dashes; an argument's own name."""
    longest: str = max(parameter.opts, key=len)
    return longest.lstrip("-").replace("-", "_")


def _named(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _plain(value: Any) -> Any:
    """A value as one writes it in a file: what is a number as a number."""
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d{0,17})(\.\d+)?", value):
        number = float(value) if "." in value else int(value)
        return number if str(number) == value else value
    return value


def _words(parameter: Any, key: str, value: Any) -> Sequence[str]:
    """One entry of a file as one writes it on the command line."""
    if parameter.param_type_name == "argument":
        return [_text(key, value)]
    longest = max(parameter.opts, key=len)
    if not parameter.is_flag:
        return [f"{longest}={_text(key, value)}"]
    if not isinstance(value, bool):
        raise InvalidFile(f"{key} is true or false, not {value!r}")
    return [longest] if value else parameter.secondary_opts[:1]


def _text(key: str, value: Any) -> str:
    match value:
        case bool() | None:
            pass
        case str():
            return value
        case int() | float():
            return str(value)
        case list() if not any(isinstance(one, list | bool) or "," in str(one) for one in value):
            return ",".join(_text(key, one) for one in value)
    raise InvalidFile(f"{key} takes a text, a number, or a list of them without commas, not {value!r}")


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            # TOML's texts are JSON's, but for one more character that must be escaped.
            return re.sub("\x7f", r"\\u007f", json.dumps(str(value), ensure_ascii=False))
