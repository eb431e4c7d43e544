"""A data set is the same images whether taken whole, in part, or in batches."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from respike.data import Dataset
from respike.errors import InvalidData


def _dataset(count: int, *, whole_bytes: bool = True) -> Dataset:
    generator = torch.Generator().manual_seed(count)
    pixels = torch.randint(0, 256, (count, 1, 2, 3), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 4, (count,), generator=generator)
    return Dataset("made", "test", pixels if whole_bytes else pixels.double() / 255, labels, tuple("abcd"), "made here")


@given(st.integers(1, 20), st.integers(1, 25), st.booleans())
def test_batches_are_the_whole(count: int, size: int, whole_bytes: bool) -> None:
    dataset = _dataset(count, whole_bytes=whole_bytes)
    images, labels = zip(*dataset.batches(size), strict=True)
    assert torch.equal(torch.cat(images), dataset.images)
    assert torch.equal(torch.cat(labels), dataset.labels)
    assert all(len(part) == size for part in labels[:-1])


@given(st.integers(0, 12), st.integers(-2, 15))
def test_take_is_the_beginning(count: int, taken: int) -> None:
    dataset = _dataset(count)
    part = dataset.take(taken)
    assert len(part) == min(max(taken, 0), count)
    assert torch.equal(part.images, dataset.images[: len(part)])
    assert (part.name, part.split, part.source) == (dataset.name, dataset.split, dataset.source)


def test_images_are_shares_of_255() -> None:
    dataset = _dataset(9)
    assert dataset.images.dtype == torch.float32
    assert torch.equal((dataset.images * 255).round().to(torch.uint8), dataset.pixels[:])


@pytest.mark.parametrize(
    "labels", [torch.zeros(4, dtype=torch.int64), torch.zeros(3), torch.tensor([0, 1, 4]), torch.tensor([0, 1, -1])]
)
def test_labels_that_do_not_fit_are_refused(labels: torch.Tensor) -> None:
    with pytest.raises(InvalidData, match="made"):
        Dataset("made", "test", torch.zeros(3, 1, 2, 2, dtype=torch.uint8), labels, tuple("abcd"), "made here")


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(InvalidData, match="at least one image"):
        next(_dataset(3).batches(0))
