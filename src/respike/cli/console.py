"""Two consoles: results go to stdout; progress, warnings and errors go to stderr."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from respike.errors import RespikeWarning

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
def progress(doing: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, else nothing; gives a function that takes how many are done."""
    counted = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    columns = counted if total is not None else (BarColumn(), TimeElapsedColumn())
    with Progress(
        TextColumn("{task.description}"), *columns, console=ERR, transient=True, disable=not ERR.is_terminal
    ) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda done: bar.update(task, completed=done)


def _line(kind: str, style: str, message: str) -> None:
    ERR.print(Text.assemble((f"{kind}: ", style), message), soft_wrap=True)
