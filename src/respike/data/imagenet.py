"""A folder of class folders, as ImageNet is kept; images are decoded when they are asked for, never all held."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from respike import files
from respike.data.dataset import Dataset
from respike.errors import InvalidData, InvalidFile

LONGEST = 100
"""How many times as long as wide an image may be: it is resized to the wanted width."""
_SUFFIXES = {".jpeg", ".jpg", ".png", ".webp", ".bmp"}


@dataclass(frozen=True)
class ImageFiles:
    """Image files that are decoded slice by slice to uint8 [n, 3, crop, crop].

    The shorter side is resized to `resize` pixels (bicubic), then the centre is cut out: the usual preparation for
    ImageNet networks. Decoding raises InvalidFile, naming the file, where one is broken.
    """

    paths: tuple[Path, ...]
    resize: int = 256
    crop: int = 224

    def __len__(self) -> int:
        """Number of files."""
        return len(self.paths)

    def __getitem__(self, part: slice, /) -> Tensor:
        """Decodes the files of a slice."""
        images = [self._decode(path) for path in self.paths[part]]
        return torch.stack(images) if images else torch.empty(0, 3, self.crop, self.crop, dtype=torch.uint8)

    def _decode(self, path: Path) -> Tensor:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(files.read(path))) as file:
                image = file.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # as Pillow's readers fail
            raise InvalidFile(f"{path} is not a whole image: {error}") from error
        if max(image.size) > LONGEST * min(image.size):
            raise InvalidFile(f"{path} has {image.width} x {image.height} pixels, too narrow for a square of it")
        scale = self.resize / min(image.size)
        size = (max(int(image.width * scale), self.resize), max(int(image.height * scale), self.resize))
        left, top = (round((side - self.crop) / 2) for side in size)
        square = image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + self.crop, top + self.crop))
        return torch.from_numpy(np.asarray(square).transpose(2, 0, 1).copy())


def read(name: str, split: str, folder: Path, per_class: int | None = None) -> Dataset:
    """The images below `folder`, which has one folder for each class; labels follow the folders' sorted names.

    per_class: only the first so many of each class, by sorted file names. Raises InvalidData for an empty folder.
    """
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    found = [(path, label) for label, place in enumerate(classes) for path in _images(place)[:per_class]]
    if not found:
        raise InvalidData(f"{folder} has no class folders with images in them")
    paths, labels = zip(*found, strict=True)
    names = tuple(place.name for place in classes)
    return Dataset(name, split, ImageFiles(paths), torch.tensor(labels), names, str(folder))


def _images(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
