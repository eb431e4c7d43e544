"""Where the files of a data set lie on this machine."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from platformdirs import user_cache_path

from respike.data.catalogue import Member, Spec
from respike.data.files import unpacked, verify
from respike.errors import InvalidFile

VARIABLE = "RESPIKE_DATA"
"""The environment variable that names a data folder."""


def roots(directory: Path | None) -> tuple[Path, ...]:
    """The data folders, first choice first: the one given, or else that of RESPIKE_DATA, then the user's cache."""
    if directory is not None:
        return (directory,)
    named = os.environ.get(VARIABLE)
    return (*((Path(named),) if named else ()), user_cache_path("respike") / "data")


def folders(spec: Spec, directory: Path | None) -> Iterator[Path]:
    """Every folder that may hold the files of a data set."""
    for root in roots(directory):
        for base in (root / spec.name, root):
            yield from (base, *(base / folder for folder in spec.folders))


@dataclass(frozen=True)
class Place:
    """Where one file was found: a file, gzipped or not, or an archive that holds it."""

    path: Path
    member: Member

    @property
    def is_archive(self) -> bool:
        """Whether the file lies in a tar archive."""
        return self.path.name.endswith(".tar.gz")

    def read(self) -> bytes:
        """The unpacked content; raises InvalidFile where it is broken or has the wrong checksum."""
        content = self._from_archive() if self.is_archive else unpacked(self.path)
        return verify(content, self.member.md5, str(self.path))

    def _from_archive(self) -> bytes:
        try:
            with tarfile.open(self.path) as tar:
                for entry in tar:
                    file = tar.extractfile(entry) if PurePosixPath(entry.name).name == self.member.name else None
                    if file is not None:
                        return file.read()
        except (tarfile.TarError, OSError, EOFError) as error:
            raise InvalidFile(f"{self.path} is a truncated or corrupted archive: {error}") from error
        raise InvalidFile(f"{self.path} has no {self.member.name} in it")


def locate(spec: Spec, member: Member, directory: Path | None) -> Place | None:
    """The first place where a file lies; None where it is absent."""
    for folder in folders(spec, directory):
        names = (member.name, f"{member.name}.gz", *((spec.archive,) if spec.archive else ()))
        for name in names:
            if (folder / name).is_file():
                return Place(folder / name, member)
    return None
