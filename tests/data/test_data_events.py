"""Events: files, frames, saccades, and recordings as data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike import data
from respike.data import EVENT, Events, Preparation
from respike.errors import InvalidData, InvalidFile, InvalidOption


def _events(seed: int, count: int, size: int = 34) -> Events:
    random = np.random.default_rng(seed)
    events = np.empty(count, EVENT)
    events["x"], events["y"] = random.integers(0, size, (2, count))
    events["t"], events["p"] = np.sort(random.integers(0, 300_000, count)), random.integers(0, 2, count)
    return events


@settings(max_examples=30, derandomize=True, deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(0, 50))
def test_files_of_events_are_read_as_they_were_written(
    seed: int, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("aer") / "one.bin"
    data.write_aer(path, _events(seed, count, 256))
    assert path.stat().st_size == 5 * count
    assert np.array_equal(data.read_aer(path), _events(seed, count, 256))


def test_the_bytes_of_an_event_are_those_of_n_mnist(tmp_path: Path) -> None:
    """x, y, then a bit of polarity and 23 bits of time, the highest first."""
    path = tmp_path / "one.bin"
    path.write_bytes(bytes([3, 20, 0x80 | 0x01, 0x02, 0x03, 33, 0, 0x7F, 0xFF, 0xFF]))
    found = data.read_aer(path)
    assert found.tolist() == [(3, 20, 0x010203, 1), (33, 0, 2**23 - 1, 0)]
    path.write_bytes(b"\0" * 7)
    with pytest.raises(InvalidFile, match="7 bytes, which is no multiple of 5"):
        data.read_aer(path)
    with pytest.raises(InvalidData, match="below 2\\^23"):
        data.write_aer(path, np.array([(0, 0, 2**23, 0)], EVENT))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(1, 60), steps=st.integers(1, 9))
def test_frames_hold_every_event_once_in_its_part_of_the_time(seed: int, count: int, steps: int) -> None:
    events = _events(seed, count)
    found = data.frames(events, steps, 34, 34)
    expected = torch.zeros(steps, 2, 34, 34)
    first, last = int(events["t"].min()), int(events["t"].max())
    for x, y, t, p in events.tolist():
        expected[(t - first) * steps // (last - first + 1), p, y, x] += 1
    assert torch.equal(found, expected)


def test_frames_outside_the_sensor_are_refused() -> None:
    with pytest.raises(InvalidData, match="outside a sensor 8 wide"):
        data.frames(_events(0, 50), 4, 34, 8)
    with pytest.raises(InvalidOption, match="steps"):
        data.frames(_events(0, 5), 0, 34, 34)
    assert data.frames(_events(0, 0), 3, 4, 5).shape == (3, 2, 4, 5)


def test_a_moving_edge_sends_on_events_in_front_and_off_events_behind() -> None:
    bar = torch.zeros(1, 1, 28, 28)
    bar[..., 4:24, 12:16] = 1
    (events,) = data.saccades(bar, amplitude=4.0)
    first = events[events["t"] <= 100_000]  # to the right and down
    front, behind = first[first["x"] >= 3 + 15], first[first["x"] <= 3 + 11]
    rows = (front["y"] > 12) & (front["y"] < 22)
    assert (front[rows]["p"] == 1).all()
    assert (behind[(behind["y"] > 12) & (behind["y"] < 22)]["p"] == 0).all()
    assert len(front[rows]) > 20
    back = events[events["t"] > 200_000]  # to the left
    assert (back[(back["x"] <= 3 + 11) & (back["y"] > 12) & (back["y"] < 18)]["p"] == 1).all()


def test_saccades_end_where_they_began() -> None:
    """Of each pixel ON and OFF events cancel, to the one that a remainder below the threshold may leave."""
    images = data.load("mnist", "test").take(3).images
    for events in data.saccades(images):
        assert 1000 < len(events) < 12_000
        assert np.array_equal(np.sort(events["t"], kind="stable"), events["t"])
        assert int(events["t"].max()) <= 300_000
        off, on = data.frames(events, 1, 34, 34)[0]
        assert float((on - off).abs().max()) <= 1
    with pytest.raises(InvalidData, match="grey images"):
        data.saccades(torch.rand(1, 3, 8, 8))
    with pytest.raises(InvalidData, match="values from 0 to 1"):
        data.saccades(2 * torch.ones(1, 1, 8, 8))


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Tonic's layout of N-MNIST."""
    images = data.load("mnist", "calibration").take(8)
    for number, events in enumerate(data.saccades(images.images)):
        folder = tmp_path / ("Train" if number < 6 else "Test") / str(int(images.labels[number]))
        folder.mkdir(parents=True, exist_ok=True)
        data.write_aer(folder / f"{number:05}.bin", events)
    return tmp_path


def test_recordings_are_data(recordings: Path) -> None:
    with pytest.raises(InvalidData, match=r"into how many frames each is cut, .*frames=32"):
        data.open(recordings)
    test = data.open(recordings, preparation=Preparation(frames=5))
    train = data.open(recordings, "train", preparation=Preparation(frames=5))
    assert (len(test), len(train)) == (2, 6)
    assert test.over_time
    assert test.images.shape == (2, 5, 2, 34, 34)
    labels = data.load("mnist", "calibration").labels
    names = sorted({int(label) for label in labels[6:8]})
    assert [names[int(label)] for label in test.labels] == sorted(labels[6:8].tolist())
    assert torch.equal(test.still.images, test.images.mean(1))
    assert torch.equal(test.still.take(1).images, test.images[:1].mean(1))


def test_frames_are_counts_that_are_not_prepared() -> None:
    with pytest.raises(InvalidOption, match="give frames and size alone"):
        Preparation(frames=4, mean=(0.5,))
    Preparation(frames=4, size=(34, 34))


def test_arrays_of_events_are_recordings_too(recordings: Path) -> None:
    wanted = data.open(recordings, preparation=Preparation(frames=4)).images
    for path in sorted((recordings / "Test").rglob("*.bin")):
        events = data.read_aer(path)
        path.unlink()
        kind = int(path.stem) % 2
        if kind:
            signed = np.where(events["p"] == 1, 1, -1)
            np.savez(path.with_suffix(".npz"), x=events["x"], y=events["y"], t=events["t"] / 1.0, p=signed)
        else:
            fields = [("t", "<u4"), ("x", "<i2"), ("y", "<i2"), ("p", "?")]
            np.save(path.with_suffix(".npy"), events[["t", "x", "y", "p"]].astype(fields))
    found = data.open(recordings, preparation=Preparation(frames=4, size=(34, 34)))
    assert torch.equal(found.images, wanted)
    guessed = data.open(recordings, preparation=Preparation(frames=4))
    assert "as far as events reach" in " ".join(guessed.notes)
    with pytest.raises(InvalidData, match=r"outside a sensor.*size"):
        _ = data.open(recordings, preparation=Preparation(frames=4, size=(9, 9))).images


def test_broken_recordings_are_named_or_left_out(recordings: Path) -> None:
    path = next((recordings / "Test").rglob("*.bin"))
    path.write_bytes(b"\0" * 9)
    with pytest.raises(InvalidFile, match=path.name):
        _ = data.open(recordings, preparation=Preparation(frames=4)).images
    kept = data.open(recordings, preparation=Preparation(frames=4), skip_bad=True)
    assert len(kept) == 1
    assert path.name in " ".join(kept.notes)
    path.unlink()
    np.save(path.with_suffix(".npy"), np.zeros((4, 4)))
    with pytest.raises(InvalidFile, match="must hold events with the fields x, y, t and p; it has none"):
        _ = data.open(recordings, preparation=Preparation(frames=4, size=(34, 34))).images


def test_gestures_as_tonic_leaves_them(tmp_path: Path) -> None:
    """Arrays `[events, 4]` of x, y, polarity and time, called by their class; 128 x 128 without a word of it."""
    written = {}
    for part in ("ibmGestureTrain", "ibmGestureTest"):
        for user in ("user01_fluorescent", "user02_led"):
            for number in (0, 10):
                events = _events(number + len(user), 20)
                path = tmp_path / "DVSGesture" / part / user / f"{number}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, np.stack([events[field].astype(float) for field in "xypt"], 1))
                written[part, user, number] = events
    test = data.open(tmp_path, preparation=Preparation(frames=5))
    assert test.labels.tolist() == [0, 10, 0, 10]
    assert (test.classes[10], len(test.classes)) == ("other_gestures", 11)
    assert test.images.shape == (4, 5, 2, 128, 128)
    wanted = data.frames(written["ibmGestureTest", "user02_led", 0], 5, 128, 128)
    assert torch.equal(test.images[2], wanted)
    assert len(data.open(tmp_path / "DVSGesture", "train", preparation=Preparation(frames=5))) == 4
    with pytest.raises(InvalidData, match="into how many frames"):
        data.open(tmp_path)


def test_gestures_that_are_none_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "ibmGestureTest" / "user01_lab"
    folder.mkdir(parents=True)
    np.save(folder / "3.npy", np.ones((4, 3)))
    np.save(folder / "4.npy", np.ones((4, 4)))
    with pytest.raises(InvalidFile, match=r"3.npy must hold events \[events, 4\]"):
        data.open(tmp_path, preparation=Preparation(frames=2)).images  # noqa: B018
    kept = data.open(tmp_path, preparation=Preparation(frames=2), skip_bad=True)
    assert kept.labels.tolist() == [4]
    np.save(folder / "11.npy", np.ones((4, 4)))
    with pytest.raises(InvalidData, match=r"11.npy: recordings are called 0.npy to 10.npy"):
        data.open(tmp_path, preparation=Preparation(frames=2))
