"""Tables that fit every terminal: where one has no room for the columns, each row becomes a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Cell = str | Text
_NAME = 16
"""Characters of a name that stay in one line; longer ones go on in the next where there is no room."""


class Kind(Enum):
    """What stands in a column."""

    NUMBER = "number"
    """To the right, never broken."""
    WORD = "word"
    """To the left, never broken."""
    NAME = "name"
    """To the left; a long one is broken where it must."""
    TEXT = "text"
    """To the left, broken between words."""


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        heading: above the column; may have two lines.
        kind: what stands in it.
        words: the heading in a line of its own, where rows become lines; the heading itself unless given.
        at_least: characters that a column of text gets at least: with fewer, rows become lines.
    """

    heading: str
    kind: Kind = Kind.NUMBER
    words: str = ""
    at_least: int = 0

    @property
    def label(self) -> str:
        """The heading in one line."""
        return self.words or " ".join(self.heading.split()).replace("/ ", "/")


@dataclass(frozen=True)
class Row:
    """A row.

    Args:
        cells: one for each column; those that are left out are empty.
        style: of the whole row.
        last: whether a section ends with it.
    """

    cells: Sequence[Cell]
    style: str = ""
    last: bool = False


@dataclass(frozen=True)
class Grid:
    """A table for a rich console. No number is cut and no word broken, whatever the terminal's width.

    Args:
        columns: from left to right; the first one says what a row is about.
        rows: from top to bottom.
        gap: blanks between columns, at least 1.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    gap: int = 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draws it."""
        widths = self._widths(options.max_width)
        if widths is None:
            yield from self._lines(options.max_width)
        else:
            yield self._table(widths)

    def _widths(self, room: int) -> list[int] | None:
        """How wide each column is; None where they have no room beside each other."""
        texts = [[column.heading, *(_plain(row, at) for row in self.rows)] for at, column in enumerate(self.columns)]
        wished = [max(len(line) for text in column for line in text.split("\n")) for column in texts]
        widths = [
            max(min(column.at_least, wish), *map(len, column.heading.split("\n")), _least(column.kind, cells[1:]))
            for column, cells, wish in zip(self.columns, texts, wished, strict=True)
        ]
        spare = room - sum(widths) - self.gap * (len(widths) - 1)
        if spare < 0:
            return None
        for at, wish in enumerate(wished):
            more = min(spare, wish - widths[at])
            widths[at], spare = widths[at] + more, spare - more
        return widths

    def _table(self, widths: Sequence[int]) -> Table:
        headed = any(column.heading for column in self.columns)
        table = Table(
            box=box.SIMPLE_HEAD if headed else None,
            show_header=headed,
            padding=(0, self.gap - headed, 0, 0),  # a box sets columns one blank apart
            show_edge=False,
            pad_edge=False,
        )
        for column, width in zip(self.columns, widths, strict=True):
            justify = "right" if column.kind is Kind.NUMBER else "left"
            table.add_column(column.heading, justify=justify, width=width, overflow="fold")  # type: ignore[arg-type]
        for row in self.rows:
            cells = (cell if isinstance(cell, Text) else Text(cell) for cell in row.cells)
            table.add_row(*cells, style=row.style, end_section=row.last)
        return table

    def _lines(self, room: int) -> Iterator[RenderableType]:
        labels = [column.label for column in self.columns[1:]]
        longest = max(map(len, labels), default=0)
        for row in self.rows:
            yield Text(_plain(row, 0), row.style, overflow="fold")
            for at, label in enumerate(labels, start=1):
                if cell := _plain(row, at):
                    before = _before(label, longest, cell, self.columns[at].kind, room - 2)
                    style = getattr(row.cells[at], "style", "")
                    yield Padding(Text.assemble(before, (cell, style)), (0, 0, 0, 2))


def _before(label: str, longest: int, cell: str, kind: Kind, room: int) -> str:
    """What stands before a cell in its line: its label, with blanks where they have room; or in the line above."""
    if not label:
        return ""
    if kind is Kind.TEXT or len(label) + 2 + len(cell) <= room < longest + 2 + len(cell):
        return f"{label}: "
    return f"{label:{longest}}  " if longest + 2 + len(cell) <= room else f"{label}:\n"


def _plain(row: Row, at: int) -> str:
    cell = row.cells[at] if at < len(row.cells) else ""
    return cell.plain if isinstance(cell, Text) else cell


def _least(kind: Kind, cells: Sequence[str]) -> int:
    """The width below which something in a column would be broken that must not be."""
    match kind:
        case Kind.NUMBER | Kind.WORD:
            return max(map(len, cells), default=0)
        case Kind.NAME:
            return min(_NAME, max(map(len, cells), default=0))
        case Kind.TEXT:
            return max((len(word) for cell in cells for word in cell.split()), default=0)
