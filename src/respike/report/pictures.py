"""Images as small files that a page can hold."""

from __future__ import annotations

import base64
import io

import numpy
import torch
from PIL import Image
from torch import Tensor


def picture(image: Tensor, longest: int | None = None) -> str | None:
    """An image `[1 or 3, height, width]` as a PNG in base64; None where it is none.

    Values in [0, 1] are shown as they are; others are stretched to that range.

    Args:
        image: the image.
        longest: pixels of its longer side; a larger one is made smaller.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        return None
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        image = (image - low) / max(high - low, 1e-12)
    pixels = (image * 255).round().to(torch.uint8).movedim(0, -1).cpu().numpy()
    drawn = Image.fromarray(numpy.ascontiguousarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels))
    if longest is not None:
        drawn.thumbnail((longest, longest))
    content = io.BytesIO()
    drawn.save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()
