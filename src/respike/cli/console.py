"""Two consoles: results go to stdout; progress, warnings and errors go to stderr."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from respike.errors import RespikeWarning
from respike.progress import Progress

OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)


def error(message: str) -> None:
    """One line that says what is wrong."""
    _line("error", "bold red", message)


def warning(message: str) -> None:
    """One line that says what to look out for."""
    _line("warning", "yellow", message)


def note(message: str) -> None:
    """A line beside the results: where a file went, what was left unfinished."""
    ERR.print(Text(message), soft_wrap=True)


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Shows respike's own warnings as lines, without the place in the program that Python adds; others as ever."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", RespikeWarning)
        usual = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: object, **more: object
        ) -> None:
            if issubclass(category, RespikeWarning):
                warning(str(message))
            else:
                usual(message, category, filename, lineno)

        warnings.showwarning = show
        yield


@contextmanager
def progress(*amount: ProgressColumn) -> Iterator[Progress]:
    """Gives a `Progress` that draws a bar for each thing that is done; on a terminal, else it shows nothing.

    Args:
        amount: how the amounts are written; as numbers unless given.
    """
    with _bars(*(amount or (MofNCompleteColumn(),)), TimeElapsedColumn(), TimeRemainingColumn()) as bars:
        tasks: dict[str, TaskID] = {}

        def show(doing: str, done: int, total: int | None, /) -> None:
            if doing not in tasks:
                tasks[doing] = bars.add_task(doing)
            bars.update(tasks[doing], completed=done, total=total)

        yield show


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """A moving bar on a terminal while something is done of which nobody knows how long it takes."""
    with _bars(TimeElapsedColumn()) as bars:
        bars.add_task(doing, total=None)
        yield


def _bars(*columns: ProgressColumn) -> Bars:
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        console=ERR,
        transient=True,
        disable=not ERR.is_terminal,
    )


def _line(kind: str, style: str, message: str) -> None:
    ERR.print(Text.assemble((f"{kind}: ", style), message), soft_wrap=True)
