"""DVS128 Gesture as Tonic leaves it: `ibmGestureTrain/USER_LIGHT/CLASS.npy`, and the same for the test.

Source: https://github.com/neuromorphs/tonic tonic/datasets/dvsgesture.py: arrays `[events, 4]` of x, y, polarity and
time; the name of a file is its class, from 0 to 10; a sensor of 128 x 128.
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import torch

from respike import files
from respike.data.catalogue import Split
from respike.data.events import EVENT, Events
from respike.data.preparation import Size
from respike.data.readers.event_files import Recordings, frames_wanted
from respike.data.readers.reader import Parts, Raw, Reader, Reading
from respike.errors import InvalidData, InvalidFile

CLASSES = (
    "hand_clapping",
    "right_hand_wave",
    "left_hand_wave",
    "right_arm_clockwise",
    "right_arm_counter_clockwise",
    "left_arm_clockwise",
    "left_arm_counter_clockwise",
    "arm_roll",
    "air_drums",
    "air_guitar",
    "other_gestures",
)
"""As Tonic names them."""

_SENSOR = 128
_PARTS = {Split.TRAIN: "ibmGestureTrain", Split.TEST: "ibmGestureTest"}


def read(path: Path) -> Events:
    """The events of one file.

    Raises:
        InvalidFile: a file that is broken, pickled, or holds other numbers.
    """
    try:
        loaded = np.load(io.BytesIO(files.read(path)), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidFile(f"{path} is corrupted, truncated, pickled, or no array: {error}") from error
    if not isinstance(loaded, np.ndarray) or loaded.ndim != 2 or loaded.shape[1] != 4 or loaded.dtype.kind not in "iuf":
        raise InvalidFile(f"{path} must hold events [events, 4] of x, y, polarity and time")
    if not (np.isfinite(loaded).all() and (loaded[:, :2] >= 0).all()):
        raise InvalidFile(f"{path} has events outside of any sensor")
    events = np.empty(len(loaded), EVENT)
    for field, column in zip("xypt", loaded.T, strict=True):
        events[field] = (column > 0) if field == "p" else column
    return events


def _folders(path: Path) -> dict[Split, Path]:
    """The folders of the parts, in a folder or in the `DVSGesture` in it."""
    roots = (path, path / "DVSGesture")
    return {split: root / name for root in roots for split, name in _PARTS.items() if (root / name).is_dir()}


def _parts(path: Path, reading: Reading) -> Parts:
    return {split: partial(_read, folder, reading) for split, folder in _folders(path).items()}


def _read(folder: Path, reading: Reading) -> Raw:
    steps = frames_wanted(folder, reading)
    paths = sorted(path for path in folder.rglob("*.npy") if path.is_file())
    unnamed = [path for path in paths if not (path.stem.isdecimal() and int(path.stem) < len(CLASSES))]
    if unnamed or not paths:
        wrong = unnamed[0] if unnamed else folder
        raise InvalidData(f"{wrong}: recordings are called 0.npy to {len(CLASSES) - 1}.npy, by their class")
    notes: tuple[str, ...] = ()
    if reading.skip_bad:
        bad = [path for path in paths if not _whole(path)]
        paths = [path for path in paths if path not in bad]
        notes = (f"left out {len(bad)} broken recordings: {bad[0]}, ...",) if bad else ()
        if not paths:
            raise InvalidData(f"no recording in {folder} is whole")
    size = Size.of(reading.preparation.size) if reading.preparation.size is not None else None
    height, width = (size.height, size.width) if size is not None else (_SENSOR, _SENSOR)
    labels = torch.tensor([int(path.stem) for path in paths])
    return Raw(Recordings(paths, steps, height, width, read), labels, CLASSES, (*notes, f"{steps} frames of each"))


def _whole(path: Path) -> bool:
    try:
        read(path)
    except InvalidFile:
        return False
    return True


READER = Reader(
    "DVS128 Gesture",
    "DVS128 Gesture as Tonic leaves it (ibmGestureTrain/ and ibmGestureTest/)",
    lambda path: path.is_dir() and bool(_folders(path)),
    _parts,
)
