"""The command line: thin, over the public interface alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in shells."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (that of the process unless given) and returns the exit code: 0, 2 or 130."""
    try:
        from respike.cli import app  # takes its time, in which Ctrl-C has its answer already

        return app.main(arguments)
    except BaseException as error:
        stop = interrupt_behind(error)
        if stop is None:
            raise
        print("\n".join(["interrupted", *getattr(stop, "__notes__", [])]), file=sys.stderr)
        return INTERRUPTED


def interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The Ctrl-C that an error comes from: while a package is imported, Python makes other errors of it."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, KeyboardInterrupt):
        found = found.__cause__ or found.__context__
    return found


__all__ = ["INTERRUPTED", "interrupt_behind", "main"]
