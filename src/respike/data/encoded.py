"""Encoded images (PNG, JPEG, ...), decoded when they are asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from respike import files
from respike.data.preparation import Preparation, Size, tensor_of
from respike.errors import Argument, InvalidData, InvalidFile

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

SUFFIXES = {".jpeg", ".jpg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
"""Files that are taken for images."""
LONGEST = 100
"""How many times as long as wide an image may be: it is resized to the wanted width."""
_GREY = {"1", "L", "LA", "I", "I;16", "I;16B", "F"}
_NAMED = 5


@dataclass(frozen=True)
class Embedded:
    """An encoded image inside another file. name: what to call it."""

    name: str
    content: bytes

    def __str__(self) -> str:
        """Its name, as messages give it."""
        return self.name


Item = Path | Embedded


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """Encoded images as pixels, in bytes `[images, channels, height, width]` before they are prepared.

    Args:
        items: files, or contents of files.
        preparation: their size and channels; its function makes the input out of each PIL image.
        grey: read them with one channel.
    """

    items: Sequence[Item]
    preparation: Preparation
    grey: bool = False

    def __len__(self) -> int:
        """Number of images."""
        return len(self.items)

    def __getitem__(self, part: slice, /) -> Tensor:
        """The decoded images of a slice; raises InvalidFile, naming the image, where one is broken."""
        images = [self._tensor(item) for item in self.items[part]]
        if not images:
            return torch.empty(0, *(self[0:1].shape[1:] if self.items else ()))
        return torch.stack(images)

    def pick(self, numbers: Sequence[int]) -> EncodedImages:
        """Only those with these numbers."""
        return EncodedImages([self.items[number] for number in numbers], self.preparation, self.grey)

    def _tensor(self, item: Item) -> Tensor:
        image = decoded(item).convert("L" if self.grey else "RGB")
        if self.preparation.preprocess is not None:
            return tensor_of(self.preparation.preprocess(image)).float()
        return self.preparation.values(tensor_of(sized(image, item, self.preparation)).unsqueeze(0))[0]


def encoded(items: Sequence[Item], preparation: Preparation) -> EncodedImages:
    """Images whose sizes and channels have been looked at.

    Args:
        items: files, or contents of files.
        preparation: what is done to them.

    Raises:
        InvalidFile: an item that is no image, by its first bytes.
        InvalidData: images of several sizes, where no size was given.
    """
    sizes: dict[tuple[int, int], Item] = {}
    grey = True
    for item in items:
        with _opened(item) as image:
            sizes.setdefault(image.size, item)
            grey &= image.mode in _GREY
    if len(sizes) > 1 and preparation.size is None and preparation.preprocess is None:
        (first, one), (second, other) = list(sizes.items())[:2]
        raise InvalidData(
            f"the images have {len(sizes)} sizes ({one}: {first[0]} x {first[1]} pixels, {other}: {second[0]} x "
            f"{second[1]}): give the size that the network takes, ",
            Argument("size"),
        )
    channels = preparation.channels or (1 if grey else 3)
    return EncodedImages(items, preparation, grey=channels == 1)


def whole(items: Sequence[Item]) -> tuple[list[int], str]:
    """The numbers of the images that can be decoded, and which ones cannot, in words (nothing where all can)."""
    good: list[int] = []
    bad: list[Item] = []
    for number, item in enumerate(items):
        try:
            decoded(item)
        except InvalidFile:
            bad.append(item)
        else:
            good.append(number)
    named = ", ".join(map(str, bad[:_NAMED])) + (", ..." if len(bad) > _NAMED else "")
    return good, f"left out {len(bad):,} broken image{'s' * (len(bad) > 1)}: {named}" if bad else ""


def decoded(item: Item) -> Image:
    """A whole image; raises InvalidFile, naming it, where it is broken."""
    with _opened(item) as image:
        image.load()
        return image.copy()


@contextmanager
def _opened(item: Item) -> Iterator[Image]:
    import PIL.Image

    content = files.read(item) if isinstance(item, Path) else item.content
    try:
        with PIL.Image.open(io.BytesIO(content)) as image:
            yield image
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:  # as Pillow's readers fail
        raise InvalidFile(
            f"{item} is not a whole image ({error}): repair it, or leave such images out by ",
            Argument("skip_bad", True),
        ) from error


def sized(image: Image, item: Item, preparation: Preparation, by: Resampling | None = None) -> Image:
    """An image in the size that is wanted, with pixels in between made in the usual way, or `by` another."""
    from PIL.Image import Resampling

    by = Resampling.BICUBIC if by is None else by
    if preparation.size is None:
        return image
    size = Size.of(preparation.size)
    if size.shorter is None:
        return image.resize((size.width, size.height), by)
    if max(image.size) > LONGEST * min(image.size):
        raise InvalidFile(f"{item} has {image.width} x {image.height} pixels, too narrow for a square of it")
    scale = size.shorter / min(image.size)
    resized = (max(int(image.width * scale), size.shorter), max(int(image.height * scale), size.shorter))
    left, top = round((resized[0] - size.width) / 2), round((resized[1] - size.height) / 2)
    box = (left, top, left + size.width, top + size.height)
    return image.resize(resized, by).crop(box)
