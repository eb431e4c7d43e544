"""What an operator's translator is given and what it may answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.ir import Node

MIXES = "mixes the samples of a batch; keep dimension 0 the batch, as in flatten(1)"


@dataclass(frozen=True)
class Layout:
    """Where the batch stands in a tensor of the graph. Most have it as dimension 0, alone.

    Window attention merges windows into it, other attention moves it behind other dimensions. Nodes know neither: their
    values have the batch in front, and in its old place the elements that were merged with it.

    Args:
        shape: the node's per-sample shape.
        batch: the dimension of the graph's tensor that holds the batch.
        merged: how many elements of each sample are merged into that dimension.
        slower: how many of these vary more slowly than the samples.
    """

    shape: tuple[int, ...]
    batch: int = 0
    merged: int = 1
    slower: int = 1

    @property
    def ndim(self) -> int:
        """The number of dimensions in the graph, with the batch."""
        return len(self.shape) + (self.merged == 1)

    @property
    def is_plain(self) -> bool:
        """Whether the batch is dimension 0, alone."""
        return self.batch == 0 and self.merged == 1

    @property
    def before(self) -> int:
        """How many elements of a sample vary more slowly than the samples."""
        return math.prod(self.shape[: self.batch]) * self.slower

    def axis(self, dim: int) -> int:
        """The node's dimension for one of the graph's; the batch is refused."""
        front = dim % self.ndim
        if front == self.batch:
            raise Refused("works along dimension 0, the batch; samples must not be mixed")
        return front + 1 if front < self.batch or self.merged > 1 else front

    def size(self, dim: int) -> int:
        """The number of elements along one of the graph's dimensions."""
        return self.shape[self.axis(dim) - 1]


@dataclass(frozen=True)
class Signal:
    """A value that depends on the network's input: the node that gives it, and its layout."""

    name: str
    layout: Layout
    is_index: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The node's per-sample shape."""
        return self.layout.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions in the graph, with the batch."""
        return self.layout.ndim


@dataclass(frozen=True)
class Call:
    """One operator call: its user-visible name, its result's layout and type, and where its nodes go."""

    name: str
    layout: Layout
    dtype: torch.dtype
    device: torch.device
    emit: Callable[[Node], str]

    @property
    def shape(self) -> tuple[int, ...]:
        """The result's per-sample shape."""
        return self.layout.shape

    def constant(self, value: Tensor | float) -> Tensor:
        """`value` in the type of the result."""
        return torch.as_tensor(value, dtype=self.dtype, device=self.device).contiguous()


Operand: TypeAlias = Signal | Tensor | float
Result: TypeAlias = Signal | Tensor | str | tuple["Signal | Tensor | str", ...]
Translator: TypeAlias = Callable[..., Result]


class Refused(Exception):
    """An operator that cannot be converted; the message says what to do about it."""


def signal(value: Any) -> Signal:
    """`value`, if it depends on the input and has its batch in dimension 0."""
    source = anywhere(value)
    if not source.layout.is_plain:
        raise Refused(MIXES)
    return source


def anywhere(value: Any) -> Signal:
    """`value`, if it depends on the input, wherever its batch stands."""
    if not isinstance(value, Signal):
        raise Refused("applied to a constant where a signal is expected; compute the constant before forward()")
    if value.is_index:
        raise Refused("computes with whole numbers; only an embedding can read them")
    return value


def alike(values: Iterable[Any]) -> list[Signal]:
    """The values, if all depend on the input and have the batch in the same place."""
    sources = [anywhere(value) for value in values]
    if len({source.ndim for source in sources}) != 1:
        raise Refused("combines signals of different ranks, which broadcasts the batch; unsqueeze the smaller one")
    if len({(s.layout.batch, s.layout.merged, s.layout.slower) for s in sources}) != 1:
        raise Refused(MIXES)
    return sources


def broadcast(call: Call, value: Operand, x: Signal) -> Tensor:
    """A constant that the graph broadcasts against `x`, shaped to broadcast against its node."""
    if isinstance(value, Signal):
        raise Refused("needs a constant where it is given a signal")
    constant = call.constant(value)
    if constant.ndim > x.ndim:
        raise Refused("its constant has more dimensions than the signal, which broadcasts the batch")
    meets = constant.ndim - (x.ndim - x.layout.batch)
    if meets < 0:
        return constant
    if constant.shape[meets] != 1:
        if not bool((constant == constant.narrow(meets, 0, 1)).all()):
            raise Refused("its constant differs from sample to sample")
        constant = constant.narrow(meets, 0, 1).contiguous()
    return constant if x.layout.is_plain or x.layout.merged > 1 else constant.squeeze(meets)


def weights(value: Any) -> Tensor:
    """`value`, if it is constant."""
    if not isinstance(value, Tensor):
        raise Refused("its weights depend on the input; respike converts fixed weights only")
    return value


def optional(value: Any) -> Tensor | None:
    """`weights(value)`, or None where there is none."""
    return None if value is None else weights(value)


def number(value: Any) -> float:
    """A scalar, or the one value that fills a constant tensor."""
    if isinstance(value, Tensor) and value.numel() > 0 and bool((value == value.reshape(-1)[0]).all()):
        return float(value.reshape(-1)[0])
    if isinstance(value, int | float):
        return float(value)
    raise Refused("its bound is not one fixed number for all elements")


def spread(value: Any, count: int) -> tuple[int, ...]:
    """An integer, or a list of one, repeated for each of `count` spatial dimensions."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * count if len(values) == 1 else values
