"""How long computations tell how far they have come. Whoever calls them decides whether to show it."""

from __future__ import annotations

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
