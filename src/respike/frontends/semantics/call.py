"""Signals, and what the meaning of an operator is given besides its operands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from respike.ir import Node

if TYPE_CHECKING:
    from respike.frontends.nodes import Nodes

MIXES = "mixes the samples of a batch; keep dimension 0 the batch, as in flatten(1)"


class Refused(Exception):
    """An operator that cannot be converted; the message says what to do about it."""


@dataclass(frozen=True)
class Layout:
    """How a framework's tensor and the value of its node differ.

    A node's value has the batch in front and the channels behind it. The framework may have the batch behind other
    dimensions (attention moves it there), merged with some of them (window attention), or the channels last (Keras).

    Args:
        shape: the node's per-sample shape.
        batch: the dimension of the framework's tensor that holds the batch.
        merged: how many elements of each sample are merged into that dimension; the node has them in its old place.
        slower: how many of these vary more slowly than the samples.
        channels_last: whether the framework's last dimension is the node's first behind the batch.
    """

    shape: tuple[int, ...]
    batch: int = 0
    merged: int = 1
    slower: int = 1
    channels_last: bool = False

    @property
    def ndim(self) -> int:
        """The number of dimensions in the framework, with the batch."""
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
        """The node's dimension for one of the framework's; the batch is refused."""
        front = dim % self.ndim
        if front == self.batch:
            raise Refused(f"works along dimension {front}, the batch; samples must not be mixed")
        if self.channels_last:
            return 1 if front == self.ndim - 1 else front + 1
        return front + 1 if front < self.batch or self.merged > 1 else front

    def size(self, dim: int) -> int:
        """The number of elements along one of the framework's dimensions."""
        return self.shape[self.axis(dim) - 1]

    def without(self, dims: Iterable[int]) -> Layout:
        """The layout once these dimensions of the framework's tensor are gone."""
        gone = {dim % self.ndim for dim in dims}
        axes = {self.axis(dim) for dim in gone}
        shape = tuple(n for axis, n in enumerate(self.shape, start=1) if axis not in axes)
        last = self.channels_last and self.ndim - 1 not in gone and len(shape) > 1
        return replace(self, shape=shape, batch=self.batch - sum(d < self.batch for d in gone), channels_last=last)

    def with_new(self, dim: int) -> Layout:
        """The layout with a new dimension of size one at this place of the framework's tensor."""
        if self.channels_last:
            raise ValueError("a new dimension needs the channels where the framework has them")
        place = dim % (self.ndim + 1)
        wider = replace(self, batch=self.batch + (place <= self.batch))
        behind = place > wider.batch and self.merged == 1
        index = place - behind
        return replace(wider, shape=(*self.shape[:index], 1, *self.shape[index:]))


@dataclass(frozen=True)
class Signal:
    """A value that depends on the network's input: the node that gives it, and its layout.

    `is_index` marks whole numbers, which may be moved, looked up in a table, or cast to real numbers.
    """

    name: str
    layout: Layout
    is_index: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The node's per-sample shape."""
        return self.layout.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions in the framework, with the batch."""
        return self.layout.ndim


class Condition:
    """Truth values that depend on the input, as comparisons give them; whatever reads them is refused."""


Operand: TypeAlias = Signal | Tensor | float
Result: TypeAlias = Signal | Tensor | tuple[Signal | Tensor, ...]
Translator: TypeAlias = Callable[..., Result]


@dataclass(frozen=True)
class Call:
    """One call of an operator: the name that the user knows, the type of the network, and where its nodes go."""

    name: str
    dtype: torch.dtype
    device: torch.device
    nodes: Nodes

    def emit(self, node: Node) -> str:
        """Append a node, and return its name."""
        return self.nodes.emit(node)

    def like(self, x: Signal, node: Node) -> Signal:
        """The value of a new node, in the layout of `x`; its sizes are the node's own."""
        name = self.emit(node)
        return replace(x, name=name, layout=replace(x.layout, shape=self.nodes.shape(name)))

    def part(self, name: str) -> str:
        """The name of a part of this call, which is the call's own where the part has none."""
        return f"{self.name}.{name}" if name else self.name

    def constant(self, value: Tensor | float) -> Tensor:
        """`value` in the type of the network."""
        return torch.as_tensor(value, dtype=self.dtype, device=self.device).contiguous()


def signal(value: Any) -> Signal:
    """`value`, if it depends on the input and has its batch in dimension 0: the node's dimension 1 are the channels."""
    source = anywhere(value)
    if not source.layout.is_plain:
        raise Refused(MIXES)
    return source


def anywhere(value: Any) -> Signal:
    """`value`, if it holds real numbers that depend on the input, wherever its batch stands."""
    source = any_numbers(value)
    if source.is_index:
        raise Refused("computes with whole numbers; cast them to real numbers first, or look them up in an embedding")
    return source


def any_numbers(value: Any) -> Signal:
    """`value`, if it depends on the input; whole numbers can be moved, too."""
    if not isinstance(value, Signal):
        raise Refused("applied to a constant where a signal is expected; compute the constant before forward()")
    return value


def alike(values: Iterable[Any], *, whole: bool = False) -> list[Signal]:
    """The values, if all depend on the input and have the batch in the same place."""
    sources = [any_numbers(value) if whole else anywhere(value) for value in values]
    if len({source.ndim for source in sources}) != 1:
        raise Refused("combines signals of different ranks, which broadcasts the batch; unsqueeze the smaller one")
    if len({replace(source.layout, shape=()) for source in sources}) != 1:
        raise Refused(MIXES)
    return sources


def broadcast(call: Call, value: Operand, x: Signal) -> Tensor:
    """A constant that the framework broadcasts against `x`, shaped to broadcast against its node."""
    if isinstance(value, Signal):
        raise Refused("needs a constant where it is given a signal")
    constant = call.constant(value)
    if constant.ndim > x.ndim:
        raise Refused("its constant has more dimensions than the signal, which broadcasts the batch")
    if x.layout.channels_last and constant.ndim > 0:
        full = constant.reshape((1,) * (x.ndim - constant.ndim) + tuple(constant.shape))
        constant = full.movedim(-1, 1).contiguous()
    meets = constant.ndim - (x.ndim - x.layout.batch)
    if meets < 0:
        return constant
    if constant.shape[meets] != 1:
        constant = _of_one_sample(constant, meets, x.layout)
    return constant if x.layout.is_plain or x.layout.merged > 1 else constant.squeeze(meets)


def _of_one_sample(constant: Tensor, dim: int, layout: Layout) -> Tensor:
    """A constant for every sample of a batch, for one; the batch may have elements of a sample merged into it."""
    before, behind = constant.shape[:dim], constant.shape[dim + 1 :]
    samples = constant.reshape(*before, layout.slower, -1, layout.merged // layout.slower, *behind)
    first = samples.narrow(dim + 1, 0, 1)
    if not bool((samples == first).all()):
        raise Refused("its constant differs from sample to sample")
    return first.reshape(*before, -1, *behind).contiguous()


def weights(value: Any) -> Tensor:
    """`value`, if it is constant."""
    if not isinstance(value, Tensor):
        raise Refused("its weights depend on the input; respike converts fixed weights only")
    return value


def optional(value: Any) -> Tensor | None:
    """`weights(value)`, or None where there is none."""
    return None if value is None else weights(value)


def is_number(value: Any) -> bool:
    """Whether a value is one number, or a constant tensor filled with one."""
    if isinstance(value, Tensor):
        return value.numel() > 0 and bool((value == value.reshape(-1)[0]).all())
    return isinstance(value, int | float)


def number(value: Any) -> float:
    """A scalar, or the one value that fills a constant tensor."""
    if not is_number(value):
        raise Refused("its bound is not one fixed number for all elements")
    return float(value.reshape(-1)[0]) if isinstance(value, Tensor) else float(value)


def spread(value: int | Sequence[int], count: int) -> tuple[int, ...]:
    """An integer, or a list of one, repeated for each of `count` spatial dimensions."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * count if len(values) == 1 else values
