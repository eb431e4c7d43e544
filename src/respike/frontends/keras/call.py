"""What a layer's translator is given: its options, its variables, its inputs, and where its nodes go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.errors import InvalidNetwork
from respike.frontends.nodes import Nodes
from respike.frontends.semantics import Refused
from respike.ir import Input, Node, Permute


@dataclass(frozen=True)
class Signal:
    """A value of the network: the node that gives it.

    `moved` says that the node has the channels first, `[channels, *sizes]`, where Keras has them last.
    """

    name: str
    moved: bool = False


class Draft(Nodes):
    """The nodes so far, and which of them have the channels where."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self._orders: dict[tuple[str, bool], str] = {}

    def emit(self, node: Node) -> str:
        """Append a node under a name of its own; `InvalidNetwork` where its inputs do not fit."""
        if isinstance(node, Input) and any(size < 1 for size in node.shape):
            raise InvalidNetwork(f"input {node.name!r} has the shape {list(node.shape)}")
        try:
            return super().emit(node)
        except Refused as reason:
            raise InvalidNetwork(f"layer {node.name!r}: {reason}") from None

    def moved(self, x: Signal) -> str:
        """The node that has `x` with the channels first."""
        ndim = len(self.shape(x.name)) + 1
        return x.name if x.moved or ndim < 3 else self._permuted(x.name, True, (0, ndim - 1, *range(1, ndim - 1)))

    def plain(self, x: Signal) -> str:
        """The node that has `x` as Keras has it."""
        ndim = len(self.shape(x.name)) + 1
        return self._permuted(x.name, False, (0, *range(2, ndim), 1)) if x.moved else x.name

    def _permuted(self, name: str, first: bool, dims: tuple[int, ...]) -> str:
        if (name, first) not in self._orders:
            place = "channels_first" if first else "channels_last"
            self._orders[name, first] = self.emit(Permute(f"{name}.{place}", (name,), dims))
        return self._orders[name, first]


@dataclass(frozen=True)
class Call:
    """One call of a layer."""

    kind: str
    name: str
    options: Mapping[str, Any]
    variables: Mapping[str, Tensor]
    draft: Draft

    @property
    def channels_first(self) -> bool:
        """Whether the layer itself was told that channels come first."""
        return self.options.get("data_format") == "channels_first"

    def option(self, key: str, default: Any = None) -> Any:
        """What the layer was told."""
        return self.options.get(key, default)

    def emit(self, node: Node) -> str:
        """Append a node."""
        return self.draft.emit(node)

    def spatial(self, x: Signal) -> str:
        """The node that has `x` as `[channels, *sizes]`."""
        return self.draft.plain(x) if self.channels_first else self.draft.moved(x)

    def given(self, name: str) -> Signal:
        """A result `[channels, *sizes]`."""
        return Signal(name, not self.channels_first and len(self.draft.shape(name)) > 1)

    def shape(self, x: Signal) -> tuple[int, ...]:
        """The per-sample shape that Keras sees."""
        shape = self.draft.shape(x.name)
        return (*shape[1:], shape[0]) if x.moved else shape

    def dim(self, x: Signal, axis: int) -> int:
        """The dimension of the node of `x`, batch counted, that Keras calls `axis`."""
        ndim = len(self.shape(x)) + 1
        front = axis % ndim
        if front == 0:
            raise Refused("works along axis 0, the batch; samples must not be mixed")
        if not x.moved:
            return front
        return 1 if front == ndim - 1 else front + 1

    def constant(self, value: Any) -> Tensor:
        """Numbers in the network's type."""
        return torch.as_tensor(value, dtype=self.draft.dtype)

    def inner(self, part: str) -> Call:
        """The same call, naming its nodes after a part of the layer."""
        return replace(self, name=f"{self.name}.{part}")


Translator: TypeAlias = Callable[..., Signal]
