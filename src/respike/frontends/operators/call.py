"""What an operator's translator is given and what it may answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.ir import Node


@dataclass(frozen=True)
class Signal:
    """A value that depends on the network's input: the node that gives it, and its shape for one sample."""

    name: str
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """The number of dimensions, with the batch."""
        return len(self.shape) + 1


@dataclass(frozen=True)
class Call:
    """One operator call: its user-visible name, its result's per-sample shape and type, and where its nodes go."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    emit: Callable[[Node], str]

    def constant(self, value: Tensor | float) -> Tensor:
        """`value` in the type of the result."""
        return torch.as_tensor(value, dtype=self.dtype, device=self.device).contiguous()


Operand: TypeAlias = Signal | Tensor | float
Result: TypeAlias = Signal | Tensor | str | tuple["Signal | Tensor | str", ...]
Translator: TypeAlias = Callable[..., Result]


class Refused(Exception):
    """An operator that cannot be converted; the message says what to do about it."""


def signal(value: Any) -> Signal:
    """`value`, if it depends on the input."""
    if not isinstance(value, Signal):
        raise Refused("applied to a constant where a signal is expected; compute the constant before forward()")
    return value


def weights(value: Any) -> Tensor:
    """`value`, if it is constant."""
    if not isinstance(value, Tensor):
        raise Refused("its weights depend on the input; respike converts fixed weights only")
    return value


def number(value: Any) -> float:
    """A scalar, or the one value that fills a constant tensor."""
    if isinstance(value, Tensor) and value.numel() > 0 and bool((value == value.reshape(-1)[0]).all()):
        return float(value.reshape(-1)[0])
    if isinstance(value, int | float):
        return float(value)
    raise Refused("its bound is not one fixed number for all elements")


def dimension(dim: int, x: Signal) -> int:
    """`dim` counted from the front; dimension 0, the batch, is refused."""
    front = dim % x.ndim
    if front == 0:
        raise Refused("works along dimension 0, the batch; samples must not be mixed")
    return front


def spread(value: Any, count: int) -> tuple[int, ...]:
    """An integer, or a list of one, repeated for each of `count` spatial dimensions."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * count if len(values) == 1 else values
