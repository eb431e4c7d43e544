"""Events of event cameras: files of them, frames of them, and events made from images.

An event says that a pixel has become brighter (ON, p = 1) or darker (OFF, p = 0) by a certain ratio, and when. The
events of one recording are a structured array with the fields x, y (pixels, from the top left), t (microseconds) and p.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from respike import files
from respike.bounds import Bounds
from respike.errors import InvalidData, InvalidFile

EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "u1")])
"""One event."""

Events: TypeAlias = NDArray[np.void]
"""A recording: events `[events]` of type `EVENT`."""

KINDS = 2
"""Channels of a frame: OFF events, then ON events."""

_BYTES = 5
_PIXELS, _TIMES = 1 << 8, 1 << 23
_TINY = 1e-6
_AT_ONCE = 50


def read_aer(path: str | os.PathLike[str]) -> Events:
    """The events in a file of N-MNIST or N-Caltech101 (`.bin`): five bytes for each event.

    The bytes are x, y, then one bit p and 23 bits t in microseconds, the highest first (Orchard et al. 2015,
    "Converting static image datasets to spiking neuromorphic datasets using saccades").

    Args:
        path: the file.

    Raises:
        InvalidFile: a file that does not hold whole events.
    """
    content = files.read(Path(path))
    if len(content) % _BYTES:
        raise InvalidFile(
            f"{path} has {len(content)} bytes, which is no multiple of {_BYTES}: it is truncated or no AER"
        )
    columns = np.frombuffer(content, np.uint8).reshape(-1, _BYTES).astype(np.int64)
    events = np.empty(len(columns), EVENT)
    events["x"], events["y"], events["p"] = columns[:, 0], columns[:, 1], columns[:, 2] >> 7
    events["t"] = (columns[:, 2] & 127) << 16 | columns[:, 3] << 8 | columns[:, 4]
    return events


def write_aer(path: str | os.PathLike[str], events: Events) -> None:
    """Writes what `read_aer` reads.

    Args:
        path: the file.
        events: with x and y below 256, and t below 2^23 microseconds.

    Raises:
        InvalidData: events that five bytes cannot hold.
    """
    x, y, t, p = (events[field].astype(np.int64) for field in ("x", "y", "t", "p"))
    if len(events) and not (max(x.max(), y.max()) < _PIXELS and 0 <= t.min() <= t.max() < _TIMES and p.max() < KINDS):
        raise InvalidData("a .bin file holds events with x and y below 256, t below 2^23 microseconds, and p 0 or 1")
    columns = np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], axis=1)
    files.write(Path(path), columns.astype(np.uint8).tobytes(), force=True)


def frames(events: Events, steps: int, height: int, width: int) -> Tensor:
    """Frames of a recording: how many events of each kind each pixel had in each of `steps` equal parts of its time.

    Args:
        events: the recording; its time is that from its first to its last event.
        steps: the number of frames.
        height: of the sensor, in pixels.
        width: of the sensor, in pixels.

    Returns:
        float32 `[steps, 2, height, width]`: OFF events, then ON events. Their sum is the number of events.

    Raises:
        InvalidData: events outside the sensor.
    """
    Bounds(1, whole=True).check("steps", steps)
    shape = (steps, KINDS, height, width)
    places = np.empty(0, np.int64)
    if len(events):
        x, y, p = (events[field].astype(np.int64) for field in ("x", "y", "p"))
        if x.max() >= width or y.max() >= height or p.max() >= KINDS:
            raise InvalidData(
                f"events reach pixel ({int(x.max())}, {int(y.max())}) with p up to {int(p.max())}, outside a sensor "
                f"{width} wide and {height} high with p 0 or 1"
            )
        t = events["t"].astype(np.int64)
        first, length = t.min(), int(t.max() - t.min()) + 1
        places = np.ravel_multi_index(((t - first) * steps // length, p, y, x), shape)
    counts = np.bincount(places, minlength=math.prod(shape)).reshape(shape)
    return torch.from_numpy(counts.astype(np.float32))


def saccades(
    images: Tensor,
    *,
    size: int = 34,
    amplitude: float = 4.0,
    threshold: float = 0.35,
    saccade_ms: int = 100,
    step_ms: int = 5,
    dark: float = 0.1,
) -> list[Events]:
    """What an event camera sees of images that it looks at in three saccades, as N-MNIST was recorded.

    The camera moves along the sides of a triangle, one saccade for each side (Orchard et al. 2015), so that the image
    moves by `amplitude` pixels to the right and down, to the right and up, and back to the left. Between the positions
    the image is interpolated linearly. A pixel compares the logarithm of its intensity with what it remembers: for each
    `threshold` that it has grown or fallen by since, it sends an ON or an OFF event, and remembers that much more or
    less.

        L(t) = log(dark + I(t));  n = trunc((L(t) - M) / threshold);  M ← M + n · threshold

    Real sensors also have noise, unequal thresholds and a time of recovery; this one has none, and needs no seed.

    Args:
        images: grey, `[images, 1, height, width]`, in [0, 1]; they are put into the middle of the sensor.
        size: of the sensor, in pixels: `size` high and `size` wide.
        amplitude: of a saccade, in pixels.
        threshold: of a change of the logarithm.
        saccade_ms: how long a saccade takes, in milliseconds.
        step_ms: the time between two looks at the intensity, in milliseconds.
        dark: added to the intensity, in units of white.

    Returns:
        The events of each image, in the order of their times, t in microseconds.

    Raises:
        InvalidData: images that are not grey, not in [0, 1], or larger than the sensor.
    """
    if images.ndim != 4 or images.shape[1] != 1 or max(images.shape[2:]) > size:
        raise InvalidData(
            f"saccades take grey images [images, 1, height, width] of at most {size}x{size}, got {list(images.shape)}"
        )
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise InvalidData("saccades take images with values from 0 to 1")
    seen = (
        _seen(part, size, amplitude, threshold, saccade_ms, step_ms, dark) for part in torch.split(images, _AT_ONCE)
    )
    return [events for part in seen for events in part]


def _seen(
    images: Tensor, size: int, amplitude: float, threshold: float, saccade_ms: int, step_ms: int, dark: float
) -> list[Events]:
    rows, columns = (size - images.shape[2]) // 2, (size - images.shape[3]) // 2
    room = torch.zeros(len(images), 1, size, size)
    room[:, :, rows : rows + images.shape[2], columns : columns + images.shape[3]] = images
    memory = torch.log(dark + room)
    times, pixels, kinds, of_image = [], [], [], []
    corners = torch.tensor([[0.0, 0.0], [0.5, 1.0], [1.0, 0.0], [0.0, 0.0]]) * amplitude - amplitude / 2
    looks = saccade_ms // step_ms
    for number in range(3 * looks + 1):
        side, part = divmod(number, looks) if number < 3 * looks else (2, looks)
        x, y = (corners[side] + (corners[side + 1] - corners[side]) * part / looks).tolist()
        logarithm = torch.log(dark + _shifted(room, x, y))
        if not number:
            memory = logarithm  # at rest before the first saccade
        sent = torch.trunc((logarithm - memory) / threshold + _TINY * torch.sign(logarithm - memory))
        memory = memory + sent * threshold
        which, _, row, column = sent.nonzero(as_tuple=True)
        counts = sent[which, 0, row, column]
        repeated = counts.abs().long()
        of_image.append(which.repeat_interleave(repeated))
        pixels.append((row * size + column).repeat_interleave(repeated))
        kinds.append((counts > 0).long().repeat_interleave(repeated))
        times.append(torch.full((int(repeated.sum()),), number * step_ms * 1000))
    who, pixel, kind, time = (torch.cat(parts).numpy() for parts in (of_image, pixels, kinds, times))
    events = np.empty(len(who), EVENT)
    events["x"], events["y"], events["t"], events["p"] = pixel % size, pixel // size, time, kind
    order = np.argsort(who, kind="stable")
    return list(np.split(events[order], np.cumsum(np.bincount(who, minlength=len(images)))[:-1]))


def _shifted(images: Tensor, x: float, y: float) -> Tensor:
    """Images moved to the right by x and down by y pixels, dark where nothing comes in, interpolated linearly."""
    for amount, axis in ((x, 3), (y, 2)):
        whole = math.floor(amount)
        part = amount - whole
        images = (1 - part) * _moved(images, whole, axis) + part * _moved(images, whole + 1, axis)
    return images


def _moved(images: Tensor, by: int, axis: int) -> Tensor:
    """Images moved by whole pixels along an axis."""
    moved = torch.roll(images, by, axis)
    edge = moved.narrow(axis, 0, by) if by >= 0 else moved.narrow(axis, images.shape[axis] + by, -by)
    edge.zero_()
    return moved
