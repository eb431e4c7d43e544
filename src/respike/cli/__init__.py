"""The command line: thin, over the public interface alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (that of the process unless given) and returns the exit code: 0, 2 or 130."""
    try:
        from respike.cli import app
    except KeyboardInterrupt:  # in the first second, when nothing was begun
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return app.main(arguments)


__all__ = ["INTERRUPTED", "main"]
