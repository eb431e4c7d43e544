"""How long computations tell how far they have come. Whoever calls them decides whether to show it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


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
