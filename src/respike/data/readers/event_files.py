"""Recordings of event cameras: a folder of class folders of `.bin`, `.npy` or `.npz` files, one for each recording."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from respike import files
from respike.data.events import EVENT, Events, frames, read_aer
from respike.data.preparation import Size
from respike.data.readers.reader import Parts, Raw, Reader, Reading, first_named, split_of
from respike.errors import Argument, InvalidData, InvalidFile

_SUFFIXES = (".bin", ".npy", ".npz")
_AER = 34
"""Height and width of N-MNIST's recordings."""
_NAMES = {"x": ("x",), "y": ("y",), "t": ("t", "ts", "timestamp"), "p": ("p", "pol", "polarity")}


@dataclass(frozen=True, eq=False)
class Recordings:
    """Frames of recordings, `[recordings, steps, 2, height, width]`, read when they are asked for.

    Args:
        paths: the files.
        steps: the frames of each.
        height: of the sensor.
        width: of the sensor.
        reads: what reads the events of a file; this file's `read` unless given.
    """

    paths: Sequence[Path]
    steps: int
    height: int
    width: int
    reads: Callable[[Path], Events] | None = None

    def __len__(self) -> int:
        """Number of recordings."""
        return len(self.paths)

    def __getitem__(self, part: slice, /) -> Tensor:
        """The frames of a slice; raises InvalidFile, naming the recording, where one is broken."""
        found = [self._frames(path) for path in self.paths[part]]
        return torch.stack(found) if found else torch.empty(0, self.steps, 2, self.height, self.width)

    def _frames(self, path: Path) -> Tensor:
        try:
            return frames((self.reads or read)(path), self.steps, self.height, self.width)
        except InvalidData as error:
            error.args = (f"{path}: ", *error.args, "; the sensor's size is ", Argument("size"))
            raise


def read(path: Path) -> Events:
    """The events of one file: AER (`.bin`), or an array of events in `.npy` or `.npz`.

    An array has fields x, y, t and p, or is a `.npz` with arrays of these names.

    Raises:
        InvalidFile: a file that is broken, pickled, or holds no events.
    """
    if path.suffix.lower() == ".bin":
        return read_aer(path)
    try:
        loaded = np.load(io.BytesIO(files.read(path)), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            fields = {name: loaded[name] for name in loaded.dtype.names or ()}
        else:
            arrays = {name: loaded[name] for name in loaded.files}
            only = next(iter(arrays.values())) if len(arrays) == 1 else None
            named = only is not None and only.dtype.names
            fields = {name: only[name] for name in only.dtype.names} if only is not None and named else arrays
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidFile(f"{path} is corrupted, truncated, pickled, or no array: {error}") from error
    columns = {}
    for field, names in _NAMES.items():
        found = next((name for name in fields if name.lower() in names), None)
        if found is None:
            listed = ", ".join(fields) or "none"
            raise InvalidFile(f"{path} must hold events with the fields x, y, t and p; it has {listed}")
        columns[field] = fields[found]
    if len({len(column) for column in columns.values()}) != 1:
        raise InvalidFile(f"{path} must hold as many x, y, t and p")
    events = np.empty(len(columns["x"]), EVENT)
    for field, column in columns.items():
        # Polarities are 0 and 1, -1 and 1, or false and true.
        events[field] = (column > 0) if field == "p" else column
    return events


def _fits(path: Path) -> bool:
    return path.is_dir() and any(_recordings(folder) for one in (path, *_folders(path)) for folder in _folders(one))


def _parts(path: Path, reading: Reading) -> Parts:
    parts = first_named(folder.name for folder in _folders(path) if split_of(folder.name) and _folders(folder))
    if not parts:
        return {None: partial(_read, path, reading)}
    return {split: partial(_read, path / name, reading) for split, name in parts.items()}


def frames_wanted(folder: Path, reading: Reading) -> int:
    """Into how many frames recordings are cut; `InvalidData` where nobody has said so."""
    if reading.preparation.frames is None:
        raise InvalidData(
            f"{folder} holds recordings of an event camera: say into how many frames each is cut, as many as the "
            "conversion has time steps, ",
            Argument("frames", 32),
        )
    return reading.preparation.frames


def _read(folder: Path, reading: Reading) -> Raw:
    """The recordings of one part; labels follow the sorted names of the class folders."""
    steps = frames_wanted(folder, reading)
    classes = [one for one in _folders(folder) if _recordings(one)]
    items = [(path, label) for label, place in enumerate(classes) for path in _recordings(place)]
    notes: tuple[str, ...] = ()
    if reading.skip_bad:
        good = [(path, label) for path, label in items if _whole(path)]
        bad = [path for path, _ in items if path not in {path for path, _ in good}]
        items, notes = good, ((f"left out {len(bad)} broken recordings: {bad[0]}, ...",) if bad else ())
    if not items:
        raise InvalidData(f"no recording in {folder} is whole")
    height, width, said = _sensor([path for path, _ in items], reading)
    pixels = Recordings([path for path, _ in items], steps, height, width)
    labels = torch.tensor([label for _, label in items])
    return Raw(pixels, labels, tuple(place.name for place in classes), (*notes, *said, f"{steps} frames of each"))


def _sensor(paths: Sequence[Path], reading: Reading) -> tuple[int, int, tuple[str, ...]]:
    """The height and width of the sensor: given, N-MNIST's, or as far as events reach."""
    if reading.preparation.size is not None:
        size = Size.of(reading.preparation.size)
        return size.height, size.width, ()
    if all(path.suffix.lower() == ".bin" for path in paths):
        return _AER, _AER, ()
    reach = [(int(one["y"].max()) + 1, int(one["x"].max()) + 1) for one in map(read, paths) if len(one)]
    height, width = (max(column, default=1) for column in zip(*reach, strict=True)) if reach else (1, 1)
    return height, width, (f"sensor of {height}x{width}, as far as events reach",)


def _whole(path: Path) -> bool:
    try:
        read(path)
    except InvalidFile:
        return False
    return True


def _recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


READER = Reader(
    "event recordings",
    "a folder of class folders with recordings of an event camera (.bin of N-MNIST, .npy or .npz with x, y, t, p)",
    _fits,
    _parts,
)
