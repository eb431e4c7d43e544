"""Folders of class folders, made by the test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from respike import data
from respike.data.encoded import EncodedImages
from respike.data.imagenet import PREPARATION
from respike.errors import InvalidData, InvalidFile

_CLASSES = ("n01440764", "n01443537", "n02097047")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 2)):
        for place in _CLASSES:
            target = tmp_path / "imagenet" / split / place
            target.mkdir(parents=True)
            for number in range(count):
                size = (300 + 7 * number, 260, 3) if number % 2 else (240, 330 + number, 3)
                Image.fromarray(random.integers(0, 256, size, np.uint8)).save(target / f"{number}.JPEG")
            (target / "notes.txt").write_text("no image")
    return tmp_path


def test_labels_follow_the_sorted_folders(folder: Path) -> None:
    test = data.load("imagenet", "test", folder)
    assert test.classes == _CLASSES
    assert test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert test.images.shape == (6, 3, 224, 224)
    assert len(data.load("imagenet", "train", folder / "imagenet")) == 9


def test_batches_are_decoded_one_after_the_other(folder: Path) -> None:
    test = data.load("imagenet", "test", folder)
    assert torch.equal(torch.cat([images for images, _ in test.batches(4)]), test.images)
    broken = sorted((folder / "imagenet" / "val" / _CLASSES[1]).glob("*.JPEG"))[0]
    broken.write_bytes(broken.read_bytes()[:500])
    assert len(test.take(2).images) == 2
    batches = test.batches(2)
    next(batches)
    with pytest.raises(InvalidFile, match=broken.name):
        next(batches)


def test_calibration_takes_the_first_of_each_class_of_the_training_images(folder: Path) -> None:
    for place in _CLASSES:
        for number in range(3, 900):
            (folder / "imagenet" / "train" / place / f"{number:04d}.png").touch()
    calibration = data.load("imagenet", "calibration", folder)
    assert torch.bincount(calibration.labels).tolist() == [2000 // 3] * 3


def test_an_image_is_resized_by_its_shorter_side_and_cut_in_the_middle(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 512, dtype=np.uint8)[None, :, None], (256, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    pixels = EncodedImages((tmp_path / "ramp.png",), PREPARATION)[0:1]
    # Already 256 high: the cut is of columns 144 to 367, and nothing is interpolated.
    np.testing.assert_array_equal((pixels[0] * 255).round().numpy(), ramp[16:240, 144:368].transpose(2, 0, 1))


def test_grey_images_become_three_channels(tmp_path: Path) -> None:
    Image.fromarray(np.full((300, 280), 90, np.uint8)).save(tmp_path / "grey.png")
    assert set(EncodedImages((tmp_path / "grey.png",), PREPARATION)[:].mul(255).round().flatten().tolist()) == {90}
    assert len(EncodedImages((), PREPARATION)[:]) == 0


def test_absent_or_empty_folders_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"image-net\.org"):
        data.load("imagenet", "test", tmp_path)
    (tmp_path / "imagenet" / "val").mkdir(parents=True)
    with pytest.raises(InvalidData, match="no class folders"):
        data.load("imagenet", "test", tmp_path)
    with pytest.raises(InvalidData, match="cannot be fetched"):
        data.fetch("imagenet", tmp_path)
