"""`respike networks`, `respike methods` and `respike refinements`: what there is."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer
from rich.markdown import Markdown
from rich.padding import Padding
from rich.text import Text

from respike import methods, refine, zoo
from respike.cli import conversions, options
from respike.cli.console import OUT
from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.errors import InvalidFile
from respike.methods import Method
from respike.published import Published


def networks() -> None:
    """List the networks of the zoo, with their architectures and accuracies."""
    columns = [Column("network", Kind.WORD), Column("accuracy", Kind.WORD), Column("architecture", Kind.TEXT)]
    rows = [Row((one.name, _accuracy(one.name), f"{one.description} ({one.paper})")) for one in zoo.ENTRIES]
    OUT.print(Grid(columns, rows, gap=2))
    OUT.print("accuracy: of the network itself on the test images; respike train NAME trains it")


def list_methods(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The method to describe.", show_default=False)
    ] = None,
) -> None:
    """List the conversion methods; with NAME, describe one method, its options and its paper."""
    if name is not None:
        _describe(conversions.method(name))
        return
    for method in methods.ALL:
        OUT.print(f"[bold]{method.name}[/bold]  {method.summary}")
        OUT.print(Padding(_options(method), (0, 0, 0, 2)))
        OUT.print(Padding("\n".join(method.cites), (0, 0, 1, 2)), style="dim")


def refinements(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The refinement to describe.", show_default=False)
    ] = None,
) -> None:
    """List the refinements of plans; with NAME, describe one: its equation, options, cost and paper."""
    if name is not None:
        _describe(conversions.refinement(name))
        return
    for one in refine.ALL:
        OUT.print(f"[bold]{one.name}[/bold]  {one.summary}")
        OUT.print(Padding(_options(one), (0, 0, 1, 2)))


def _accuracy(name: str) -> str:
    try:
        record = zoo.record(name)
    except InvalidFile:
        return "not trained"
    return f"{100 * record.accuracy:.2f} % of {record.test_images:,}"


def _describe(method: Published[Any, Any]) -> None:
    text = (inspect.getdoc(method.function) or "").partition("\nArgs:")[0]
    OUT.print(f"[bold]{method.name}[/bold]\n")
    OUT.print(Markdown(text))
    OUT.print("\n[bold]Options[/bold]")
    OUT.print(Padding(_options(method), (0, 0, 1, 2)))
    if method.cites:
        OUT.print("[bold]Published in[/bold]")
    for cite in method.cites:
        OUT.print(Padding(cite, (0, 0, 0, 2)))


def _options(one: Published[Any, Any]) -> Grid:
    rows = []
    for option in options.options(one).values():
        default = options.written(option.default)
        written = _flag(option) if isinstance(one, Method) else f":{option.name}={option.metavar or 'on|off'}"
        rows.append(Row((written, Text.assemble(option.explained, (f" (default: {default})", "dim")))))
    return Grid([Column("", Kind.WORD), Column("", Kind.TEXT, at_least=30)], rows, gap=2)


def _flag(option: options.Option) -> str:
    return f"--[no-]{option.flag[2:]}" if option.type is bool else f"{option.flag} {option.metavar}"
