"""`Kept`: the finished batches of a run, in a folder, so that the run can be resumed.

Every file is written in one step, so whatever ends a run, each batch is there whole or not at all. `run.json` says what
run it is; it is written first and removed last, so no batch ever lies there without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from respike.errors import InvalidFile
from respike.files import read, write
from respike.measure.batches import Batch
from respike.measure.fingerprint import difference, fingerprint
from respike.measure.tally import Tally
from respike.tensor_file import parse

_RUN = "run.json"
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Kept:
    """The batches of a run that lie in `folder`."""

    folder: Path

    @classmethod
    def of(cls, folder: Path, run: Mapping[str, str]) -> Kept:
        """The folder of a run, made where there is none; `InvalidFile` where it holds another run's batches."""
        file = folder / _RUN
        try:
            if file.exists():
                if other := difference(_read_run(file), run):
                    raise InvalidFile(f"{folder} holds batches of {other}: finish that run, or delete the folder")
            elif holds_batches(folder):
                raise InvalidFile(f"{folder} holds batches, but no {_RUN} that says of which run: delete the folder")
            else:
                folder.mkdir(parents=True, exist_ok=True)
                write(file, (json.dumps(dict(run), indent=1) + "\n").encode())
        except OSError as error:
            raise InvalidFile(f"cannot keep batches in {folder}: {error.strerror or error}") from error
        return cls(folder)

    def read(self, batch: Batch) -> Tally | None:
        """What a batch contributed, if it is finished; `InvalidFile` where it was computed from other images."""
        path = self._path(batch)
        if not path.exists():
            return None
        try:
            tensors, header = parse(read(path), path)
            tally = Tally.of_tensors(tensors)
        except (InvalidFile, KeyError) as error:
            raise InvalidFile(f"{path} is corrupted or truncated: delete it and resume again ({error})") from error
        if header.get("images") != _images(batch):
            raise InvalidFile(
                f"{path} was computed from other images than the data set now gives: delete {self.folder}, or give the "
                "images in the same order (a DataLoader without shuffle)"
            )
        return tally

    def write(self, batch: Batch, tally: Tally) -> None:
        """Keeps what a batch has contributed."""
        write(self._path(batch), tally.to_bytes({"images": _images(batch)}))

    def _path(self, batch: Batch) -> Path:
        return self.folder / f"{batch.number:06}{_SUFFIX}"


def holds_batches(folder: Path) -> bool:
    """Whether a folder has finished batches, of whatever run."""
    return any(folder.glob(f"*{_SUFFIX}"))


def discard(folder: Path) -> None:
    """Removes a folder of finished batches; files of others stay, and then the folder does."""
    for path in [*folder.glob(f"*{_SUFFIX}"), *folder.glob(f".*{_SUFFIX}.*"), *folder.glob(f".{_RUN}.*")]:
        path.unlink(missing_ok=True)
    (folder / _RUN).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _images(batch: Batch) -> str:
    return fingerprint((batch.first_image, batch.images, batch.labels))


def _read_run(file: Path) -> Mapping[str, object]:
    try:
        found = json.loads(read(file))
    except (ValueError, RecursionError) as error:
        raise InvalidFile(f"{file} is not JSON: delete its folder ({error})") from error
    if not isinstance(found, dict):
        raise InvalidFile(f"{file} does not say what run it is of: delete its folder")
    return found
