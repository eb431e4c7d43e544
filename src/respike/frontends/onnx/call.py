"""What an operator of an ONNX graph is given, besides its inputs, and how ONNX spells its attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from respike.frontends.constants import Allowance
from respike.frontends.semantics import Refused, Signal
from respike.frontends.semantics.call import Call, Operand
from respike.frontends.semantics.layers import Sides

BATCH = 2**31 - 1
"""Stands for the batch size, which is not known when a file is read: a prime that no size of a sample is divided by."""


@dataclass(frozen=True)
class Operator(Call):
    """One node of an ONNX graph.

    `batch` is the batch size that the file is fixed to, or `BATCH`; `results` is how many values the node gives;
    `allowance` is how much constants may still grow; `kinds` are the number types of those inputs that are constants
    of the file, None for the others.
    """

    kind: str
    opset: int
    attributes: Mapping[str, Any]
    batch: int
    results: int
    allowance: Allowance
    kinds: tuple[str | None, ...] = ()

    def text(self, name: str, default: str) -> str:
        """An attribute that is a string."""
        value = self.attributes.get(name, default.encode())
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def real(self, name: str, default: float) -> float:
        """An attribute that is a number."""
        return float(self.attributes.get(name, default))

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        return int(self.attributes.get(name, default))

    def sizes(self, name: str, count: int, default: int, least: int | None = None) -> tuple[int, ...]:
        """An attribute with a whole number, `least` or more, for each of `count` spatial dimensions."""
        values = tuple(map(int, self.attributes.get(name, (default,) * count)))
        if len(values) != count:
            raise Refused(f"its {name} {list(values)} are not one for each of {count} dimensions")
        if least is not None and any(value < least for value in values):
            raise Refused(f"its {name} are {list(values)}; each must be {least} or more")
        return values

    def integers(self, name: str, given: Operand | None = None) -> tuple[int, ...] | None:
        """Whole numbers, which are an input of the operator or, in older opsets, an attribute."""
        if given is None:
            listed = self.attributes.get(name)
            return None if listed is None else tuple(map(int, listed))
        return whole_numbers(given, name)

    def sides(self, sizes: Sequence[int], reach: Sequence[int], steps: Sequence[int]) -> Sides:
        """The padding in front of and behind each dimension, for windows of `reach` elements."""
        automatic, count = self.text("auto_pad", "NOTSET"), len(sizes)
        if automatic == "VALID":
            return ((0, 0),) * count
        if automatic not in ("SAME_UPPER", "SAME_LOWER"):
            pads = self.sizes("pads", 2 * count, 0)
            if min(pads) < 0:
                raise Refused("its padding is negative; slice its input instead")
            return tuple(zip(pads[:count], pads[count:], strict=True))
        totals = [max(0, (-(-n // s) - 1) * s + r - n) for n, r, s in zip(sizes, reach, steps, strict=True)]
        return halved(totals, more_behind=automatic == "SAME_UPPER")


def halved(totals: Sequence[int], *, more_behind: bool) -> Sides:
    """Amounts divided between both sides; the odd one goes behind, or in front."""
    pairs = tuple((total // 2, total - total // 2) for total in totals)
    return pairs if more_behind else tuple((more, less) for less, more in pairs)


def reach(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """How many elements windows with gaps span."""
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def whole_numbers(value: Operand | None, name: str) -> tuple[int, ...]:
    """The elements of a constant."""
    if not isinstance(value, Tensor):
        raise Refused(f"its {name} depend on the input's values; they must be constant")
    return tuple(int(n) for n in value.reshape(-1).tolist())


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that values of these shapes have together."""
    return tuple(torch.broadcast_shapes(*shapes))  # type: ignore[no-untyped-call]


def elements(x: Signal) -> int:
    """The number of elements of a sample."""
    return math.prod(x.shape)
