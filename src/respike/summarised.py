"""How the larger values show themselves: a title and a few rows, as text and in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from html import escape

_MOST = 4


class Summarised(ABC):
    """A value that shows what matters of it in a few lines, and not all that it holds."""

    @abstractmethod
    def _summary(self) -> tuple[str, dict[str, str]]:
        """A title, and rows of a name and a text each."""

    def __repr__(self) -> str:
        """The title, and a line for each row."""
        title, rows = self._summary()
        width = max(map(len, rows), default=0)
        return "\n".join([title, *(f"  {name:{width}}  {text}" for name, text in rows.items())])

    def _repr_html_(self) -> str:
        """The same as a table, for notebooks."""
        title, rows = self._summary()
        cells = (
            f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(text)}</td></tr>"
            for name, text in rows.items()
        )
        return f"<table><caption style='text-align:left'>{escape(title)}</caption>{''.join(cells)}</table>"


def listed(names: Iterable[str]) -> str:
    """Names with commas between them, the first few where there are many."""
    every = list(names)
    more = f" and {len(every) - _MOST} more" if len(every) > _MOST else ""
    return ", ".join(every[:_MOST]) + more


def called(name: str, options: Iterable[tuple[str, object]]) -> str:
    """A method with its options, as one calls it: `max_norm(steps=64)`."""
    return f"{name}({', '.join(f'{option}={value!r}' for option, value in options)})"


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 image`, `1,000 images`.

    Args:
        number: how many.
        noun: in the singular; its plural has an s.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
