"""How long computations tell how far they have come. Whoever calls them decides whether to show it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape
from importlib import import_module
from typing import Any, Protocol


class Progress(Protocol):
    """Is told how far a computation has come; the command line draws a bar."""

    def __call__(self, doing: str, done: int, total: int | None, /) -> None:
        """Takes the news.

        Args:
            doing: what is being done, in a few words.
            done: how much of it is done, in images, steps or bytes.
            total: how much there is to do; None where that is not known.
        """


def silent(doing: str, done: int, total: int | None, /) -> None:
    """Shows nothing: what every `progress` argument is unless given."""


_LISTENER: ContextVar[Progress] = ContextVar("listener", default=silent)


@contextmanager
def listening(progress: Progress) -> Iterator[None]:
    """While this lasts, `tell` tells `progress`: methods and refinements have no argument for it, only options.

    Args:
        progress: who is told.
    """
    before = _LISTENER.set(progress)
    try:
        yield
    finally:
        _LISTENER.reset(before)


def tell(doing: str, done: int, total: int | None) -> None:
    """Tells whoever listens how far a method or a refinement has come.

    Args:
        doing: what is being done, in a few words.
        done: how much of it is done.
        total: how much there is to do; None where that is not known.
    """
    _LISTENER.get()(doing, done, total)


@contextmanager
def shown(progress: Progress | bool) -> Iterator[Progress]:
    """Who is told while this lasts: whoever was given, nobody for False, and a bar for True.

    In a notebook the bar is part of the cell's output, else it is drawn on the standard error output.

    Args:
        progress: what a verb's argument `progress` was given.
    """
    if progress is False:
        yield silent
    elif progress is not True:
        yield progress
    elif _in_notebook():
        notebook = NotebookBar()
        try:
            yield notebook
        finally:
            notebook.finish()
    else:
        with _terminal() as bars:
            yield bars


class NotebookBar:
    """A bar in a cell's output, drawn anew a few times in a second."""

    _SECONDS = 0.2

    def __init__(self) -> None:
        self._handle: Any = None
        self._said: tuple[str, int, int | None] = ("", 0, None)
        self._drawn = 0.0

    def __call__(self, doing: str, done: int, total: int | None, /) -> None:
        """Takes the news, and draws it where the last drawing is old enough."""
        self._said = (doing, done, total)
        if time.monotonic() - self._drawn >= self._SECONDS:
            self.finish()

    def finish(self) -> None:
        """Draws the last news."""
        ipython: Any = import_module("IPython.display")  # has no types
        doing, done, total = self._said
        if not doing:
            return
        amount = f"{done:,} of {total:,}" if total else f"{done:,}" if done else ""
        state = f'value="{done}" max="{total}"' if total else ""
        drawn = ipython.HTML(f"<label>{escape(doing)} <progress {state}></progress> {amount}</label>")
        if self._handle is None:
            self._handle = ipython.display(drawn, display_id=True)
        else:
            self._handle.update(drawn)
        self._drawn = time.monotonic()


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs this program."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


@contextmanager
def _terminal() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        yield drawn_by(bars)


def drawn_by(bars: Any) -> Progress:
    """A bar for each thing that is done.

    Args:
        bars: a `rich.progress.Progress`.
    """
    tasks: dict[str, Any] = {}

    def show(doing: str, done: int, total: int | None, /) -> None:
        if doing not in tasks:
            tasks[doing] = bars.add_task(doing)
        bars.update(tasks[doing], completed=done, total=total)

    return show
