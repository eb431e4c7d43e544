"""The functions of activations, as frozen values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from respike.errors import InvalidNetwork

ROUNDING = 1e-4
"""By how many steps a number may be off: scales are stored in float32, and so are their reciprocals, and what is
rounded is up to some hundred steps large. It does not grow with the number, so that a shift by whole steps changes
nothing. Neurons of such functions start with so much more."""


@dataclass(frozen=True)
class ReLU:
    """`f(x) = min(max(0, x), ceiling)`; ReLU6 has the ceiling 6."""

    ceiling: float = math.inf


@dataclass(frozen=True)
class QuantisedReLU(ReLU):
    """`f(x) = u · clip(floor(x / u + offset), 0, levels)` with `u = ceiling / levels`: a ReLU with few values.

    Args:
        ceiling: the largest value.
        levels: how many values there are above zero, 1 at least.
        offset: 1/2 rounds to the nearest (exact halves up), 0 down.
    """

    ceiling: float = 1.0
    levels: int = 1
    offset: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.ceiling < math.inf and self.levels >= 1 and 0 <= self.offset < 1):
            raise InvalidNetwork(
                "a quantised ReLU has a positive ceiling, at least 1 level and an offset in [0, 1), got "
                f"ceiling={self.ceiling:g}, levels={self.levels}, offset={self.offset:g}"
            )

    @property
    def unit(self) -> float:
        """From one value to the next."""
        return self.ceiling / self.levels


@dataclass(frozen=True)
class Floor:
    """`f(x) = floor(x)`, as it is written. With bounds it is a `QuantisedReLU` (`passes.fuse_levels`)."""


@dataclass(frozen=True)
class Root:
    """`f(x) = √x`, as it is written. In a norm it becomes part of that (`passes.fuse_norms`)."""


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


@dataclass(frozen=True)
class Erf:
    """`f(x) = erf(x)`, the error function. In `x · (1 + erf(x / √2)) / 2` it becomes a `GELU` (`passes.fuse_gates`)."""


@dataclass(frozen=True)
class Softplus:
    """`f(x) = log(1 + exp(beta · x)) / beta`."""

    beta: float = 1.0


@dataclass(frozen=True)
class Mish:
    """`f(x) = x · tanh(log(1 + exp(x)))`."""


@dataclass(frozen=True)
class Identity:
    """`f(x) = x`: a population on an edge, which sends a value that no activation has made."""


Function: TypeAlias = (
    ReLU
    | QuantisedReLU
    | Identity
    | Floor
    | Root
    | Sigmoid
    | Tanh
    | SiLU
    | GELU
    | Hardswish
    | ELU
    | Erf
    | Softplus
    | Mish
)
"""Every integrate-and-fire neuron computes a `ReLU`, `SignedDigits` compute the `Identity`; the others need fitted
few-spikes neurons."""


def ceiling(function: Function) -> float:
    """The largest value that a function can take; infinity where there is none."""
    match function:
        case ReLU(ceiling=ceiling):
            return ceiling
        case Sigmoid() | Tanh() | Erf():
            return 1.0
        case _:
            return math.inf


def jumps(function: Function) -> bool:
    """Whether a function jumps, so that rounding of its input can change its value by a whole step."""
    return isinstance(function, QuantisedReLU | Floor)


def whole(x: Tensor) -> Tensor:
    """`floor(x)`, where what the rounding of numbers has put just below a whole number counts as that number.

    Means of quantised values often stand exactly between two levels, and must not fall to either side by chance.
    """
    return (x + ROUNDING).floor()


def never_falls(function: Function) -> bool:
    """Whether a function never falls, so that it and a maximum can change places."""
    match function:
        case ReLU() | Identity() | Floor() | Root() | Sigmoid() | Tanh() | Erf() | Softplus():
            return True
        case ELU(alpha=alpha):
            return alpha >= 0
        case SiLU() | GELU() | Hardswish() | Mish():
            return False
        case _:
            assert_never(function)


def apply_function(function: Function, x: Tensor) -> Tensor:
    """The function of each element."""
    match function:
        case QuantisedReLU():
            return function.unit * whole(x / function.unit + function.offset).clamp(0.0, function.levels)
        case ReLU(ceiling=ceiling):
            return x.clamp(0.0, ceiling)
        case Floor():
            return whole(x)
        case Root():
            return x.sqrt()
        case Identity():
            return x
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
        case Erf():
            return torch.erf(x)
        case Softplus(beta=beta):
            return F.softplus(x, beta)
        case Mish():
            return F.mish(x)
        case _:
            assert_never(function)
