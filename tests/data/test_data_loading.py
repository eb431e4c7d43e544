"""Loading: what is embedded, and files of the canonical formats that the test writes."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from respike import data
from respike.data import Split, cifar, idx
from respike.data.catalogue import SPECS, Member, Spec, find
from respike.data.loading import EMBEDDED, first_of_each, read
from respike.errors import InvalidData, InvalidFile, UnknownName

Writer = Callable[[Path, str, bytes], None]


@pytest.fixture(autouse=True)
def _nothing_cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESPIKE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr("respike.data.places.user_cache_path", lambda _: tmp_path / "no cache")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_the_embedded_test_set_is_the_canonical_one() -> None:
    sums = [md5(gzip.decompress(path.read_bytes())) for path in sorted((EMBEDDED / "mnist").glob("t10k-*"))]
    assert sums == ["2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"]
    test = data.load("mnist", "test")
    assert (len(test), test.images.shape, test.source) == (10_000, (10_000, 1, 28, 28), "embedded")
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_the_embedded_calibration_images_are_balanced_and_no_test_images() -> None:
    calibration, test = data.load("mnist", Split.CALIBRATION), data.load("mnist", Split.TEST)
    assert torch.bincount(calibration.labels).tolist() == [200] * 10
    # The training set begins so; that the rest follows the rule is checked where the training set can be fetched.
    assert calibration.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert not {image.tobytes() for image in calibration.pixels[:].numpy()} & {
        image.tobytes() for image in test.pixels[:].numpy()
    }
    content = b"".join(gzip.decompress(path.read_bytes()) for path in sorted((EMBEDDED / "mnist").glob("cal*")))
    assert hashlib.sha256(content).hexdigest() == "c8ce8acc018d8c829f21db46ae75f9b60318c7f573d1f328dde651df6e84e215"


def _plain(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def _gzipped(folder: Path, name: str, content: bytes) -> None:
    _plain(folder, f"{name}.gz", gzip.compress(content, mtime=0))


def _small(spec: Spec, split: Split, contents: list[bytes]) -> Spec:
    """The data set with its files of a split replaced by small ones, and with their checksums."""
    members = [Member(member.name, md5(content)) for member, content in zip(spec.members[split], contents, strict=True)]
    return replace(spec, members={**spec.members, split: tuple(members)})


def _small_fashion() -> tuple[Spec, list[bytes], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    images = np.random.default_rng(1).integers(0, 256, (30, 28, 28), np.uint8)
    labels = np.arange(30, dtype=np.uint8) % 10
    contents = [idx.build(images), idx.build(labels)]
    return _small(find("fashion-mnist"), Split.TRAIN, contents), contents, images


@pytest.mark.parametrize("write", [_plain, _gzipped])
@pytest.mark.parametrize("below", [".", "fashion-mnist", "FashionMNIST/raw", "fashion-mnist/FashionMNIST/raw"])
def test_idx_files_are_found_wherever_they_usually_lie(write: Writer, below: str, tmp_path: Path) -> None:
    spec, contents, images = _small_fashion()
    for member, content in zip(spec.members[Split.TRAIN], contents, strict=True):
        write(tmp_path / below, member.name, content)
    dataset = read(spec, Split.TRAIN, tmp_path)
    np.testing.assert_array_equal(dataset.pixels[:].numpy()[:, 0], images)
    assert dataset.labels.tolist() == [label % 10 for label in range(30)]
    assert Path(dataset.source) == tmp_path / below
    assert len(read(spec, Split.CALIBRATION, tmp_path)) == 30


def test_the_environment_variable_names_a_data_folder(tmp_path: Path) -> None:
    spec, contents, _ = _small_fashion()
    for member, content in zip(spec.members[Split.TRAIN], contents, strict=True):
        _plain(tmp_path / "nothing" / spec.name, member.name, content)
    assert len(read(spec, Split.TRAIN, None)) == 30


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    spec, contents, _ = _small_fashion()
    changed = bytearray(contents[0])
    changed[-1] ^= 1
    for member, content in zip(spec.members[Split.TRAIN], [bytes(changed), contents[1]], strict=True):
        _plain(tmp_path, member.name, content)
    with pytest.raises(InvalidFile, match=r"train-images-idx3-ubyte has the wrong checksum"):
        read(spec, Split.TRAIN, tmp_path)


@pytest.mark.parametrize("cut", [10, 100, -1])
def test_a_cut_gzip_file_is_named(cut: int, tmp_path: Path) -> None:
    spec, contents, _ = _small_fashion()
    for member, content in zip(spec.members[Split.TRAIN], contents, strict=True):
        _plain(tmp_path, f"{member.name}.gz", gzip.compress(content, mtime=0)[:cut])
    with pytest.raises(InvalidFile, match=r"train-images-idx3-ubyte\.gz is a truncated"):
        read(spec, Split.TRAIN, tmp_path)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    contents = [idx.build(np.zeros((3, 28, 28), np.uint8)), idx.build(np.zeros(4, np.uint8))]
    spec = _small(find("mnist"), Split.TRAIN, contents)
    for member, content in zip(spec.members[Split.TRAIN], contents, strict=True):
        _plain(tmp_path, member.name, content)
    with pytest.raises(InvalidFile, match="do not belong together"):
        read(spec, Split.TRAIN, tmp_path)


def _cifar_contents(name: str) -> list[bytes]:
    random = np.random.default_rng(2)
    files, label_bytes, classes = (5, 1, 10) if name == "cifar10" else (1, 2, 100)
    labels = [random.integers(0, classes, (6, label_bytes), np.uint8) for _ in range(files)]
    return [cifar.build(random.integers(0, 256, (6, 3, 32, 32), np.uint8), part) for part in labels]


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("in_archive", [False, True])
def test_cifar_is_read_from_its_binary_version(name: str, in_archive: bool, tmp_path: Path) -> None:
    contents = _cifar_contents(name)
    spec = _small(find(name), Split.TRAIN, contents)
    if in_archive:
        with tarfile.open(tmp_path / spec.archive, "w:gz") as tar:
            for member, content in zip(spec.members[Split.TRAIN], contents, strict=True):
                entry = tarfile.TarInfo(f"{spec.folders[0]}/{member.name}")
                entry.size = len(content)
                tar.addfile(entry, BytesIO(content))
    else:
        for member, content in zip(spec.members[Split.TRAIN], contents, strict=True):
            _plain(tmp_path / spec.folders[0], member.name, content)
    dataset = read(spec, Split.TRAIN, tmp_path)
    label_bytes = 1 if name == "cifar10" else 2
    images, labels = zip(*(cifar.parse(content, label_bytes, "x") for content in contents), strict=True)
    np.testing.assert_array_equal(dataset.pixels[:].numpy(), np.concatenate(images))
    np.testing.assert_array_equal(dataset.labels.numpy(), np.concatenate(labels))


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar", mtime=0)])
def test_a_broken_archive_is_named(content: bytes, tmp_path: Path) -> None:
    _plain(tmp_path, "cifar-100-binary.tar.gz", content)
    with pytest.raises(InvalidFile, match=r"cifar-100-binary\.tar\.gz"):
        data.load("cifar100", "test", tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_pickled_versions_are_not_opened(name: str, tmp_path: Path) -> None:
    folder = tmp_path / find(name).refused
    _plain(folder, "train", b"cos\nsystem\n(S'touch opened'\ntR.")
    with pytest.raises(InvalidData, match=rf"pickle.*binary version.*respike.data.fetch.'{name}'"):
        data.load(name, "train", tmp_path)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("split", ["train", "calibration", "test"])
def test_an_absent_data_set_says_how_to_get_it(spec: Spec, split: Split, tmp_path: Path) -> None:
    if split in spec.embedded:
        assert data.load(spec.name, split).source == "embedded"
    else:
        with pytest.raises(InvalidData, match=f"respike.data.fetch.'{spec.name}'"):
            data.load(spec.name, split, tmp_path)


def test_unknown_names_get_the_nearest_one() -> None:
    with pytest.raises(UnknownName, match="did you mean 'fashion-mnist'"):
        data.load("fashion_mnist", "test")
    with pytest.raises(UnknownName, match="did you mean 'calibration'"):
        data.load("mnist", "calibrate")


def test_the_calibration_rule_takes_the_first_of_each_in_order() -> None:
    labels = np.array([1, 0, 1, 1, 2, 0, 0])
    assert first_of_each(labels, 2).tolist() == [0, 1, 2, 4, 5]


def test_the_listing_tells_what_is_there(tmp_path: Path) -> None:
    listings = {listing.name: listing for listing in data.available(tmp_path)}
    assert set(listings) == {"mnist", "fashion-mnist", "cifar10", "cifar100", "jargon", "imagenet"}
    assert listings["mnist"].embedded == ("test", "calibration")
    assert listings["cifar10"].size == 60_000 * 3 * 32 * 32
    assert all(listing.place is None for listing in listings.values())
    for member in find("cifar100").files:
        _plain(tmp_path / "cifar-100-binary", member.name, b"")
    (tmp_path / "imagenet" / "val").mkdir(parents=True)
    listings = {listing.name: listing for listing in data.available(tmp_path)}
    assert listings["cifar100"].place == tmp_path / "cifar-100-binary"
    assert listings["imagenet"].place == tmp_path / "imagenet"


def test_the_names_of_the_classes_are_as_many_as_the_classes() -> None:
    assert [len(set(spec.classes)) for spec in SPECS] == [10, 10, 10, 100, 69]
    assert find("cifar100").classes == tuple(sorted(find("cifar100").classes))
