"""What stands below a table, in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text


@dataclass(frozen=True)
class Notes:
    """Paragraphs for a rich console; where one needs several lines, the further ones are indented.

    Args:
        paragraphs: one after the other.
        style: of all.
        indent: blanks in front of the first line of each.
    """

    paragraphs: Sequence[str]
    style: str = "dim"
    indent: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draws them."""
        first, further = " " * self.indent, " " * (self.indent + 2)
        for paragraph in self.paragraphs:
            lines = textwrap.wrap(
                paragraph,
                options.max_width,
                initial_indent=first,
                subsequent_indent=further,
                break_long_words=False,
                break_on_hyphens=False,
            )
            yield from (Text(line, self.style, overflow="fold") for line in lines)
