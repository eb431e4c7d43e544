"""What a node's value is in the event engine: spikes as words, maps that they have yet to go through, a dense rest.

A **word** is an int64 whose bit t is a neuron's spike in step t of a chunk of at most 64 steps. Words are ordinary
tensors of the map's shape, so what only moves elements (reshape, permute, slice, concatenate, pad) moves words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.calls import all_threads, complete, decode, encode, lent, threads
from respike.errors import InvalidPlan
from respike.ir import Conv, Linear, apply

LONGEST = _native.MOST_STEPS
"""Steps of a chunk at most: the bits of a word."""

Key: TypeAlias = tuple[str, ...]
"""The nodes that a part has come through: names what is worked out once for it (composed and packed weights)."""


@dataclass(frozen=True, eq=False)
class Layout:
    """How a map `[*shape]` lies in memory for the kernels: `[row, column, channel]`.

    Channels are the first dimension of `shape` (convolutions), or the last (linear maps over a last dimension).
    """

    shape: tuple[int, ...]
    channels_last: bool = False

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        """Rows, columns, channels; leading dimensions count as rows."""
        *pixels, channels = self.shape if self.channels_last else (*self.shape[1:], self.shape[0])
        return math.prod(pixels[:-1]), pixels[-1] if pixels else 1, channels

    def flat(self, values: Tensor) -> Tensor:
        """`[..., *shape]` as `[..., neurons]`, contiguous, in the kernels' order."""
        leading = values.shape[: values.ndim - len(self.shape)]
        moved = values if self.channels_last or len(self.shape) == 1 else values.movedim(len(leading), -1)
        return moved.reshape(*leading, math.prod(self.shape)).contiguous()

    def shaped(self, values: Tensor) -> Tensor:
        """The other way: `[..., neurons]` in the kernels' order as a view `[..., *shape]`."""
        leading = values.shape[:-1]
        if self.channels_last or len(self.shape) == 1:
            return values.reshape(*leading, *self.shape)
        return values.reshape(*leading, *self.shape[1:], self.shape[0]).movedim(-1, len(leading))

    def per_channel(self, values: Tensor) -> Tensor | None:
        """Values that broadcast against `[1, *shape]`, as `[channels]`; None where they differ within a channel."""
        channels = self.sizes[2]
        if values.numel() == 1:
            return values.reshape(1).expand(channels).contiguous()
        flat = self.flat(values.expand(1, *self.shape)).reshape(-1, channels)
        return flat[0].contiguous() if len(flat) == 1 or bool((flat == flat[:1]).all()) else None


@dataclass(frozen=True, eq=False)
class Events:
    """Spikes of a chunk of steps.

    `words` is `[signs, bits, batch, *shape]`: over `bits` planes, each spike has an amplitude n as a binary number
    (of burst neurons, and behind pooling), and a second sign holds negative ones. A spike of amplitude n delivers
    `n · scale`; `scale` broadcasts against `[1, *shape]`.

    Between kernels, spikes often stay pictures of bits in `shared`. `memory` is where their words go, once somebody
    asks for `words`.
    """

    memory: Tensor
    scale: Tensor
    steps: int
    key: Key
    shared: _native.Shared = field(default_factory=_native.Shared)

    @property
    def words(self) -> Tensor:
        """The spikes as words."""
        complete(lent(self.memory), self.shared, threads())
        return self.memory

    @property
    def planes(self) -> tuple[int, int, int]:
        """Signs, bits, images."""
        signs, bits, images = self.memory.shape[:3]
        return signs, bits, images

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return tuple(self.memory.shape[3:])

    def flat(self, channels_last: bool) -> Tensor:
        """The words as the kernels read them, `[signs, bits, batch, neurons]`."""
        return Layout(self.shape, channels_last).flat(self.words)

    def lent(self, channels_last: bool) -> Any:
        """What kernels take that know `shared`: words that need not be written, unless they lie in another order."""
        memory = Layout(self.shape, channels_last).flat(self.memory)
        return lent(memory if memory.data_ptr() == self.memory.data_ptr() else self.flat(channels_last))

    def dense(self) -> Tensor:
        """What the spikes deliver, `[steps, batch, *shape]`."""
        layout = Layout(self.shape)
        flat = layout.flat(self.words)
        scale = layout.flat(self.scale.expand(1, *self.shape))
        out = self.scale.new_empty(self.steps, *flat.shape[2:])
        decode(lent(flat), self.steps, lent(scale), lent(out), threads())
        return layout.shaped(out)


def packed(name: str, amplitudes: Tensor) -> Tensor:
    """The words `[signs, bits, batch, neurons]` of amplitudes `[steps, batch, neurons]` of the population `name`."""
    whole = amplitudes.to(torch.int32)
    if not torch.equal(whole.to(amplitudes.dtype), amplitudes):
        raise InvalidPlan(f"layer {name!r} sends amplitudes that are no whole numbers: use the batched engine")
    signs = [whole.clamp(min=0), whole.clamp(max=0).neg_()] if bool((whole < 0).any()) else [whole]
    bits = max(1, *(int(one.max()).bit_length() for one in signs)) if whole.numel() else 1
    words = torch.empty(len(signs), bits, *amplitudes.shape[1:], dtype=torch.int64)
    for sign, one in enumerate(signs):
        for bit in range(bits):
            plane = (one >> bit & 1).to(amplitudes.dtype)
            out = words[sign : sign + 1, bit : bit + 1]
            encode(lent(plane), len(amplitudes), lent(out), threads())
    return words


@dataclass(frozen=True, eq=False)
class Part:
    """Spikes that have yet to go through a linear map (None: the identity); biases stand in the value's rest."""

    events: Events
    map: Linear | Conv | None
    key: Key

    def dense(self) -> Tensor:
        """What arrives, `[steps, batch, *shape]`."""
        values = self.events.dense()
        if self.map is None:
            return values
        with all_threads():
            result = apply(self.map, [values.flatten(0, 1)], bias=False)
        return result.reshape(*values.shape[:2], *result.shape[1:])


@dataclass(frozen=True, eq=False)
class Value:
    """The sum of parts and a dense rest `[1 or steps, 1 or batch, *shape]` (dimensions of `shape` may be 1 there)."""

    shape: tuple[int, ...]
    parts: tuple[Part, ...] = ()
    rest: Tensor | None = None

    def whole_rest(self) -> Tensor | None:
        """The rest with all dimensions of `shape`."""
        return None if self.rest is None else self.rest.expand(*self.rest.shape[:2], *self.shape)

    def plus(self, rest: Tensor | None) -> Value:
        """With something dense added."""
        if rest is None:
            return self
        return replace(self, rest=rest if self.rest is None else self.rest + rest)

    def settled(self, *, maps_only: bool) -> Value:
        """With parts made dense: all of them, or those that have a map before them."""
        kept = tuple(part for part in self.parts if maps_only and part.map is None)
        if len(kept) == len(self.parts):
            return self
        value = replace(self, parts=kept)
        for part in self.parts:
            if part not in kept:
                value = value.plus(part.dense())
        return value
