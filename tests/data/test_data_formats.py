"""IDX and CIFAR files: what is built is what is read, and a broken file is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from respike.data import cifar, idx
from respike.errors import InvalidFile


@given(arrays(np.uint8, array_shapes(max_dims=4, max_side=5)))
def test_idx_round_trip(array: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(idx.parse(idx.build(array), "x"), array)


@given(arrays(np.uint8, array_shapes(max_dims=3, max_side=4)), st.data())
def test_a_cut_idx_file_is_refused_at_every_length(array: NDArray[np.uint8], data: st.DataObject) -> None:
    content = idx.build(array)
    with pytest.raises(InvalidFile, match="somewhere"):
        idx.parse(content[: data.draw(st.integers(0, len(content) - 1))], "somewhere")


@pytest.mark.parametrize("header", [b"\x01\x00\x08\x01", b"\x00\x00\x0d\x01", b"\x00\x00\x08\x00", b"<htm"])
def test_a_wrong_magic_number_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidFile, match="page"):
        idx.parse(header + b"\x00\x00\x00\x01\x07", "page")


def test_an_idx_file_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidFile, match="its header says"):
        idx.parse(idx.build(np.zeros(3, np.uint8)) + b"\x00", "x")


@pytest.mark.parametrize("label_bytes", [1, 2])
def test_cifar_round_trip(label_bytes: int) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (7, 3, 32, 32), np.uint8)
    labels = random.integers(0, 100, (7, label_bytes), np.uint8)
    content = cifar.build(images, labels)
    read_images, read_labels = cifar.parse(content, label_bytes, "x")
    np.testing.assert_array_equal(read_images, images)
    np.testing.assert_array_equal(read_labels, labels[:, -1])


@pytest.mark.parametrize("length", [0, 1, 3072, 3074, 2 * 3073 - 1])
def test_a_cut_cifar_file_is_refused(length: int) -> None:
    with pytest.raises(InvalidFile, match="batch"):
        cifar.parse(bytes(length), 1, "batch")
