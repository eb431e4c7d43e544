"""The windows of convolutions and poolings: where they begin, how much lies around the input, how many they are."""

from __future__ import annotations

from respike.frontends.onnx.call import Operator, Refused

Sizes = tuple[int, ...]


def sides(op: Operator, sizes: Sizes, kernel: Sizes, steps: Sizes, dilation: Sizes) -> tuple[Sizes, Sizes]:
    """The padding in front of and behind each dimension."""
    automatic, count = op.text("auto_pad", "NOTSET"), len(sizes)
    if automatic == "VALID":
        return (0,) * count, (0,) * count
    if automatic not in ("SAME_UPPER", "SAME_LOWER"):
        pads = op.sizes("pads", 2 * count, 0)
        if min(pads) < 0:
            raise Refused("its padding is negative; slice its input instead")
        return pads[:count], pads[count:]
    total = [
        max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        for n, k, s, d in zip(sizes, kernel, steps, dilation, strict=True)
    ]
    less, more = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    return (less, more) if automatic == "SAME_UPPER" else (more, less)


def windows(size: int, begin: int, end: int, reach: int, step: int, ceil: bool) -> int:
    """How many windows of `reach` elements there are; none begins behind the input and the padding in front of it."""
    free = size + begin + end - reach
    count = (-(-free // step) if ceil else free // step) + 1
    return count - 1 if ceil and (count - 1) * step >= size + begin else count
