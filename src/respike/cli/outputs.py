"""The files that a command writes: one rule for all of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from rich.console import Console

from respike.cli import console
from respike.errors import InvalidFile, InvalidOption
from respike.files import check_new, write

STDOUT = Path("-")
"""What stands for standard output."""


@dataclass(frozen=True)
class Outputs:
    """The files that a command is asked to write, checked before anything is computed.

    No file is replaced without `--force`, links are written through, what is no plain file is refused, `-` is standard
    output, and no two options name the same file.

    Args:
        files: by the option that names each; None where it was not given.
        force: replace files that are there.

    Raises:
        InvalidFile: a file that cannot be written, or is not to be replaced.
        InvalidOption: two options that name the same file.
    """

    files: Mapping[str, Path | None]
    force: bool = False

    def __post_init__(self) -> None:
        given = {option: path for option, path in self.files.items() if path is not None}
        for (option, path), (other, same) in combinations(given.items(), 2):
            if path.absolute().resolve() == same.absolute().resolve():
                raise InvalidOption(f"{option} and {other} both name {path}: give them files of their own")
        for path in given.values():
            if path != STDOUT:
                check_new(path, force=self.force)

    @property
    def console(self) -> Console:
        """Where tables go: to standard output, unless a file is written there."""
        return console.ERR if STDOUT in self.files.values() else console.OUT

    def write(self, option: str, content: bytes) -> None:
        """Writes the file that an option names, and says so; nothing where the option was not given."""
        path = self.files.get(option)
        if path is None:
            return
        if path == STDOUT:
            sys.stdout.buffer.write(content)
            sys.stdout.flush()
            return
        try:
            write(path, content, force=self.force)
        except InvalidFile as wrong:
            # Somebody else has written it meanwhile; what took long to compute must not be lost.
            spare = path.with_name(f"{path.stem}-new{path.suffix}")
            try:
                write(spare, content, force=False)
            except InvalidFile:
                raise wrong from None
            console.warning(f"{path} cannot be written any more, {spare} was written in its place")
            return
        console.note(f"wrote {path}")
