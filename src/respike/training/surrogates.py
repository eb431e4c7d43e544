"""Surrogate gradients: what stands in for the derivative of a spike, which is zero nearly everywhere.

A spike is `H(x)`, with `x = v / threshold - 1`. Each surrogate is a smooth step `S(x)` from 0 to 1: forward, the spike
is `H(x)` exactly; backward, its derivative is `S'(x)` (Neftci et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from respike.errors import InvalidOption


@dataclass(frozen=True)
class Triangle:
    """`S'(x) = max(0, 1 - |x| / width) / width` (Esser et al. 2016): nothing further away than `width` thresholds."""

    width: float = 1.0

    def __post_init__(self) -> None:
        _check("width", self.width)

    def __call__(self, x: Tensor) -> Tensor:
        """The smooth step."""
        inside = (x / self.width).clamp(-1, 1)
        return 0.5 + inside - 0.5 * inside * inside.abs()


@dataclass(frozen=True)
class Sigmoid:
    """`S(x) = 1 / (1 + exp(-slope · x))`."""

    slope: float = 4.0

    def __post_init__(self) -> None:
        _check("slope", self.slope)

    def __call__(self, x: Tensor) -> Tensor:
        """The smooth step."""
        return torch.sigmoid(self.slope * x)


@dataclass(frozen=True)
class FastSigmoid:
    """`S'(x) = slope / (2 (1 + slope · |x|)²)` (SuperSpike, Zenke and Ganguli 2018): heavy tails, cheap."""

    slope: float = 4.0

    def __post_init__(self) -> None:
        _check("slope", self.slope)

    def __call__(self, x: Tensor) -> Tensor:
        """The smooth step."""
        scaled = self.slope * x
        return 0.5 + 0.5 * scaled / (1 + scaled.abs())


Surrogate: TypeAlias = Triangle | Sigmoid | FastSigmoid


def _check(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise InvalidOption(f"a surrogate needs a positive {name}, got {value}")
