"""Folders of images with masks: the class of each pixel, as it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from respike import data
from respike.data import Preparation
from respike.errors import InvalidData, InvalidFile

MASKS = np.random.default_rng(0).integers(0, 4, (3, 12, 16)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images with masks: grey, with a palette, and grey."""
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
    for number, mask in enumerate(MASKS):
        Image.fromarray(np.full((12, 16, 3), 40 * number, np.uint8)).save(tmp_path / "images" / f"{number}.jpg")
        image = Image.fromarray(mask)
        if number == 1:
            image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
        image.save(tmp_path / "masks" / f"{number}.png")
    return tmp_path


def test_masks_are_targets(folder: Path) -> None:
    opened = data.open(folder, targets=True)
    assert opened.images.shape == (3, 3, 12, 16)
    assert torch.equal(opened.labels, torch.as_tensor(MASKS.astype(np.int64)))
    assert opened.targets


def test_without_a_metric_masks_are_left_out(folder: Path) -> None:
    opened = data.open(folder)
    assert not opened.labelled
    assert "masks are left out" in "".join(opened.notes)


def test_parts_are_found(folder: Path) -> None:
    for part in ("train", "val"):
        for place in ("images", "masks"):
            (folder / "both" / part / place).mkdir(parents=True)
            for path in sorted((folder / place).iterdir())[: 2 if part == "train" else 3]:
                (folder / "both" / part / place / path.name).write_bytes(path.read_bytes())
    assert len(data.open(folder / "both", "train", targets=True)) == 2
    assert len(data.open(folder / "both", targets=True)) == 3


def test_masks_follow_their_images_to_another_size(folder: Path) -> None:
    """The nearest pixel's class, and none in between: halved, every other pixel of every other row."""
    opened = data.open(folder, targets=True, preparation=Preparation(size="6x8"))
    assert opened.images.shape == (3, 3, 6, 8)
    assert torch.equal(opened.labels, torch.as_tensor(MASKS[:, 1::2, 1::2].astype(np.int64)))


def test_bad_masks_are_named(folder: Path) -> None:
    (folder / "masks" / "2.png").write_bytes(b"no image")
    with pytest.raises(InvalidFile, match=r"2.png is not a whole image"):
        data.open(folder, targets=True)
    opened = data.open(folder, targets=True, skip_bad=True)
    assert len(opened) == 2
    assert "2.png" in "".join(opened.notes)
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(folder / "masks" / "2.png")
    with pytest.raises(InvalidData, match=r"2.png has colours \(RGB\)"):
        data.open(folder, targets=True)
    (folder / "masks" / "2.png").unlink()
    with pytest.raises(InvalidData, match="1 of 3 images have no mask: 2 is not in"):
        data.open(folder, targets=True)
