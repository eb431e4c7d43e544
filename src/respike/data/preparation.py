"""How images become what a network was trained on: their size, their channels, their range of values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor

from respike.bounds import Bounds
from respike.data.dataset import Pixels
from respike.errors import Argument, InvalidData, InvalidOption

_CHANNELS = (1, 3, 4)
"""How many channels an image may have: grey, colours, colours and alpha."""


class Layout(StrEnum):
    """The axes of one image in an array."""

    CHANNELS_FIRST = "chw"
    CHANNELS_LAST = "hwc"
    NO_CHANNELS = "hw"
    AS_IT_IS = "as-is"


@dataclass(frozen=True)
class Size:
    """The size of images after resizing.

    Args:
        height: in pixels.
        width: in pixels.
        shorter: first resize the shorter side to so many pixels, then cut height and width out of the centre; None
            resizes to height and width directly, which changes their ratio.
    """

    height: int
    width: int
    shorter: int | None = None

    @classmethod
    def of(cls, given: int | str | tuple[int, int]) -> Size:
        """The size that is meant: 224 or "224" (the shorter side becomes 224, the centre is cut out), "256/224" (the
        shorter side becomes 256, 224 are cut out), "48x64" or (48, 64) (height and width, without cutting).
        """
        text = "x".join(map(str, given)) if isinstance(given, tuple) else str(given)
        matched = re.fullmatch(r"(?:(\d{1,6})/)?(\d{1,6})(?:x(\d{1,6}))?", text)
        if matched is None:
            raise InvalidOption(f"a size is N, HEIGHTxWIDTH or SHORTER/N, not {text!r}")
        height = int(matched[2])
        width = int(matched[3] or height)
        shorter = int(matched[1]) if matched[1] else (None if matched[3] else height)
        if min(height, width) < 1 or (shorter is not None and shorter < max(height, width)):
            raise InvalidOption(f"no image of {height} x {width} pixels can be cut out of one of size {text!r}")
        return cls(height, width, shorter)


@dataclass(frozen=True)
class Preparation:
    """What is done to every image before the network sees it.

    A value u in [0, 1] (a byte b is u = b / 255) becomes `(low + u · (high - low) - mean) / std`, with the `range`
    [low, high]. Floats are taken to be u, so without options they stay what they are.

    Args:
        size: of the result, for image files, as `Size.of` reads it; as they are unless given.
        channels: read image files with 1 (grey) or 3 channels (colours); unless given, grey if all of them are grey.
        range: the values of black and of white.
        mean: subtracted, for each channel or for all; in the units of `range`.
        std: divided by, for each channel or for all.
        layout: the axes of one image in an array; guessed from the shape unless given.
        preprocess: a function that makes the input out of one image: a PIL image for image files, a tensor for arrays.
            It replaces all of the above.
        frames: into how many frames recordings of event cameras are cut; their `size` is that of the sensor.

    Raises:
        InvalidOption: options that contradict each other, or numbers that cannot be used.
    """

    size: int | str | tuple[int, int] | None = None
    channels: int | None = None
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    layout: Layout | None = None
    preprocess: Callable[[Any], Any] | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        """Checks what was given."""
        if self.preprocess is not None and replace(self, preprocess=None) != Preparation():
            raise InvalidOption(
                "a preprocessing function does all the preparation: leave size, range, mean and std out"
            )
        if self.frames is not None:
            Bounds(1, whole=True).check("frames", self.frames)
            if replace(self, frames=None, size=None) != Preparation():
                raise InvalidOption("frames count events, which are not prepared: give frames and size alone")
        if self.size is not None:
            Size.of(self.size)
        if self.channels not in (None, 1, 3):
            raise InvalidOption(f"images are read with 1 or 3 channels, not {self.channels}")
        if not self.range[0] < self.range[1]:
            raise InvalidOption(f"the range must rise from black to white, not from {self.range[0]} to {self.range[1]}")
        if any(not value > 0 for value in self.std):
            raise InvalidOption(f"standard deviations must be positive, not {', '.join(map(str, self.std))}")

    def values(self, pixels: Tensor) -> Tensor:
        """Prepared images `[images, ...]` of bytes, or of floats, as float32."""
        low, high = self.range
        if pixels.dtype == torch.uint8:
            prepared = (pixels.double() * (high - low) / 255 + low).float()
        else:
            prepared = pixels.float() if self.range == (0.0, 1.0) else (pixels.double() * (high - low) + low).float()
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if not numbers:
                continue
            if len(numbers) not in (1, prepared.shape[1]):
                raise InvalidOption(
                    f"{name} has {len(numbers)} numbers and the images have {prepared.shape[1]} channels: "
                    "give one, or one for each"
                )
            column = torch.tensor(numbers).reshape(-1, *(1,) * (prepared.ndim - 2))
            prepared = prepared - column if name == "mean" else prepared / column
        return prepared


@dataclass(frozen=True, eq=False)
class Prepared:
    """Images that are prepared when they are asked for."""

    base: Pixels
    preparation: Preparation

    def __len__(self) -> int:
        """Number of images."""
        return len(self.base)

    def __getitem__(self, part: slice, /) -> Tensor:
        """The prepared images of a slice."""
        images = self.base[part]
        function = self.preparation.preprocess
        if function is None:
            return self.preparation.values(images)
        return torch.stack([tensor_of(function(image)) for image in images]).float() if len(images) else images.float()


@dataclass(frozen=True, eq=False)
class Picked:
    """Some images of others, by their numbers."""

    base: Pixels
    numbers: Tensor

    def __len__(self) -> int:
        """Number of images."""
        return len(self.numbers)

    def __getitem__(self, part: slice, /) -> Tensor:
        """The images of a slice."""
        chosen = self.numbers[part]
        if isinstance(self.base, Tensor):
            return self.base[chosen]
        if not len(chosen):
            return self.base[0:0]
        return torch.cat([self.base[number : number + 1] for number in chosen.tolist()])


def tensor_of(image: Any) -> Tensor:
    """One image as a tensor: a PIL image becomes bytes `[channels, height, width]`, arrays stay what they are."""
    from PIL.Image import Image

    if isinstance(image, Image):
        array = np.asarray(image)
        return torch.from_numpy(array[None].copy() if array.ndim == 2 else array.transpose(2, 0, 1).copy())
    if not isinstance(image, Tensor | np.ndarray):
        raise InvalidData(f"an image must be a tensor, an array or a PIL image, not a {type(image).__name__}")
    return torch.as_tensor(image)


def channels_first(images: Tensor, layout: Layout | None) -> tuple[Tensor, Layout]:
    """Arrays of images with their channels first, `[images, channels, height, width]`, and how they stood.

    Where no layout is given it is guessed: the last axis holds the channels where it is as short as channels are, and
    the first one is not; bytes without such an axis are grey. Floats of other dimensions stay as they are.

    Args:
        images: `[images, ...]`.
        layout: the axes of one image, None to guess.

    Raises:
        InvalidData: arrays that do not have the axes of the layout.
    """
    found = layout or _guessed(images)
    wanted = {Layout.CHANNELS_FIRST: 4, Layout.CHANNELS_LAST: 4, Layout.NO_CHANNELS: 3}.get(found, images.ndim)
    if images.ndim != wanted:
        raise InvalidData(
            f"arrays of shape {list(images.shape)} have no layout {found.value!r}: choose another ", Argument("layout")
        )
    match found:
        case Layout.CHANNELS_LAST:
            return images.movedim(-1, 1), found
        case Layout.NO_CHANNELS:
            return images.unsqueeze(1), found
        case _:
            return images, found


def _guessed(images: Tensor) -> Layout:
    if images.ndim == 3 and images.dtype == torch.uint8:
        return Layout.NO_CHANNELS
    if images.ndim != 4:
        return Layout.AS_IT_IS
    last = images.shape[-1] in _CHANNELS and images.shape[1] not in _CHANNELS
    return Layout.CHANNELS_LAST if last else Layout.CHANNELS_FIRST
