"""Help texts: what one types stands at the left, what it means at the right, and nothing is cut at 80 columns."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from respike.cli.console import OUT

_WIDEST = 28
"""Columns for what one types; less on narrow terminals."""


class HelpedCommand(TyperCommand):
    """A command with such a help text."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Prints it."""
        _print(self, ctx)


class HelpedGroup(TyperGroup):
    """Commands with such a help text."""

    command_class = HelpedCommand

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Prints it."""
        _print(self, ctx)


def _print(command: Any, ctx: Any) -> None:
    subcommands = getattr(command, "commands", {})
    parameters = [one for one in command.get_params(ctx) if not getattr(one, "hidden", False)]
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    usage = ["[OPTIONS]", *map(_argument, arguments), *(["COMMAND [ARGS]..."] if subcommands else [])]
    OUT.print(Text.assemble(("Usage: ", "bold"), f"{ctx.command_path} {' '.join(usage)}"), "", sep="\n")
    for paragraph in _paragraphs(command.help):
        OUT.print(paragraph, "", sep="\n", markup=False)
    panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for one in parameters:
        kind = "Arguments" if one in arguments else getattr(one, "rich_help_panel", None) or "Options"
        panels.setdefault(kind, []).append((_typed(one), _meaning(one)))
    panels["Commands"] = [(name, _paragraphs(one.help)[0]) for name, one in subcommands.items()]
    for title, rows in panels.items():
        if rows:
            OUT.print(Panel(_table(rows), title=title, title_align="left", border_style="dim"))
    for line in (command.epilog or "").splitlines():
        OUT.print(line, soft_wrap=True)  # a command that is copied has no line breaks


def _table(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    width = min(_WIDEST, OUT.width // 2)
    table.add_column(overflow="fold", max_width=width)
    table.add_column(overflow="fold", ratio=1)
    for typed, meaning in rows:
        lines = textwrap.wrap(typed, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        shown = Text("\n".join(lines), "yellow" if typed[0] == "-" else "cyan")
        shown.highlight_regex(r"(?<!\S)--?[\w-]+", "cyan")
        table.add_row(shown, Text(meaning))
    return table


def _argument(parameter: Any) -> str:
    name = parameter.display_name_raw
    return name if parameter.required else f"[{name}]"


def _typed(parameter: Any) -> str:
    """What one types for it: `-n, --limit N`, `--per-channel, --no-per-channel`, `NETWORK`."""
    if parameter.param_type_name == "argument":
        return str(parameter.display_name_raw)
    flags = ", ".join(sorted((*parameter.opts, *parameter.secondary_opts), key=lambda flag: flag.startswith("--")))
    return flags if parameter.is_flag else f"{flags} {(parameter.metavar or 'VALUE').replace('|', ' | ')}"


def _meaning(parameter: Any) -> str:
    """What it does, and beside it which numbers it takes, and its default."""
    low, high, default = getattr(parameter, "min", None), getattr(parameter, "max", None), parameter.default
    notes = []
    if low is not None:
        notes.append(f"{low} or more" if high is None else f"{low:,} to {high:,}")
    if parameter.required:
        notes.append("required")
    elif parameter.show_default and default is not None and not parameter.is_flag:
        notes.append(f"default: {default}")
    return " ".join(part for part in (parameter.help, f"[{'; '.join(notes)}]" if notes else "") if part)


def _paragraphs(text: str | None) -> list[str]:
    """The paragraphs of a text, each in one line; one that is indented is an example, and stays as it is."""
    parts = re.split(r"\n\s*?\n", inspect.cleandoc(text or ""))
    return [part if part.startswith(" ") else " ".join(part.split()) for part in parts]
