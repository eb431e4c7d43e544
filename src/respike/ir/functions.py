"""The functions of activations, as frozen values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class ReLU:
    """`f(x) = min(max(0, x), ceiling)`; ReLU6 has the ceiling 6."""

    ceiling: float = math.inf


@dataclass(frozen=True)
class Sigmoid:
    """`f(x) = 1 / (1 + exp(-x))`."""


@dataclass(frozen=True)
class Tanh:
    """`f(x) = tanh(x)`."""


@dataclass(frozen=True)
class SiLU:
    """`f(x) = x / (1 + exp(-x))`, also called Swish."""


@dataclass(frozen=True)
class GELU:
    """`f(x) = x · Φ(x)` with the normal distribution function Φ, or its approximation by tanh."""

    approximate: bool = False


@dataclass(frozen=True)
class Hardswish:
    """`f(x) = x · min(max(0, x + 3), 6) / 6`."""


@dataclass(frozen=True)
class ELU:
    """`f(x) = x` where positive, else `alpha · (exp(x) - 1)`."""

    alpha: float = 1.0


Function: TypeAlias = ReLU | Sigmoid | Tanh | SiLU | GELU | Hardswish | ELU
"""Every integrate-and-fire neuron computes a `ReLU`; the others need fitted few-spikes neurons."""


def ceiling(function: Function) -> float:
    """The largest value that a function can take; infinity where there is none."""
    match function:
        case ReLU(ceiling=ceiling):
            return ceiling
        case Sigmoid() | Tanh():
            return 1.0
        case _:
            return math.inf


def never_falls(function: Function) -> bool:
    """Whether a function never falls, so that it and a maximum can change places."""
    match function:
        case ReLU() | Sigmoid() | Tanh():
            return True
        case ELU(alpha=alpha):
            return alpha >= 0
        case SiLU() | GELU() | Hardswish():
            return False
        case _:
            assert_never(function)


def apply_function(function: Function, x: Tensor) -> Tensor:
    """The function of each element."""
    match function:
        case ReLU(ceiling=ceiling):
            return x.clamp(0.0, ceiling)
        case Sigmoid():
            return torch.sigmoid(x)
        case Tanh():
            return torch.tanh(x)
        case SiLU():
            return F.silu(x)
        case GELU(approximate=approximate):
            return F.gelu(x, approximate="tanh" if approximate else "none")
        case Hardswish():
            return F.hardswish(x)
        case ELU(alpha=alpha):
            return F.elu(x, alpha)
        case _:
            assert_never(function)
