"""Two consoles: results go to stdout; progress, warnings and errors go to stderr."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from respike.errors import RespikeWarning
from respike.progress import Progress, drawn_by

SECONDS_BETWEEN_LINES = 20.0
"""How often those who read no terminal are told how far a computation is."""

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
    _print(Text(message))


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
    """Gives a `Progress` that draws a bar for each thing that is done; where there is no terminal, occasional lines.

    Args:
        amount: how the amounts are written; as numbers unless given.
    """
    if not ERR.is_terminal:
        yield Lines()
        return
    with _bars(*(amount or (MofNCompleteColumn(),)), TimeElapsedColumn(), TimeRemainingColumn()) as bars:
        yield drawn_by(bars)


@contextmanager
def busy(doing: str) -> Iterator[None]:
    """A moving bar on a terminal while something is done of which nobody knows how long it takes."""
    with _bars(TimeElapsedColumn()) as bars:
        bars.add_task(doing, total=None)
        yield


class Lines:
    """A `Progress` for pipes and files: a line now and then, and none where all is done soon.

    Args:
        clock: gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._started = clock, clock()
        self._next = self._started + SECONDS_BETWEEN_LINES

    def __call__(self, doing: str, done: int, total: int | None, /) -> None:
        """Says how far it is, where enough time has gone by."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + SECONDS_BETWEEN_LINES
        amount = f" {done:,} of {total:,}" if total else f" {done:,}" if done else ""
        note(f"{doing}:{amount} after {now - self._started:.0f} s")


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
    _print(Text.assemble((f"{kind}: ", style), message))


def _print(text: Text) -> None:
    """Words are kept whole on a terminal; a pipe or a file gets one line."""
    ERR.print(text, soft_wrap=not ERR.is_terminal)
