"""Tables for a terminal: what was measured, diagnosed, and found by a search."""

from respike.cli.tables.diagnosed import diagnosed
from respike.cli.tables.measured import summary
from respike.cli.tables.numbers import human
from respike.cli.tables.scored import score_table

__all__ = ["diagnosed", "human", "score_table", "summary"]
