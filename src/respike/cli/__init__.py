"""The command line: thin, over the public interface alone."""

from respike.cli.app import main

__all__ = ["main"]
