"""What a layer's translator is given: its options, its variables, its inputs, and where its nodes go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from respike.errors import InvalidNetwork
from respike.frontends.nodes import Nodes
from respike.frontends.semantics import Layout, Refused, Signal
from respike.frontends.semantics.call import Call
from respike.ir import Input, Node, Permute


class Draft(Nodes):
    """The nodes so far, and which of them have the channels where."""

    def __init__(self) -> None:
        super().__init__()
        self._orders: dict[tuple[str, bool], str] = {}

    def emit(self, node: Node) -> str:
        """Append a node under a name of its own; `InvalidNetwork` where its inputs do not fit."""
        if isinstance(node, Input) and any(size < 1 for size in node.shape):
            raise InvalidNetwork(f"input {node.name!r} has the shape {list(node.shape)}")
        try:
            return super().emit(node)
        except Refused as reason:
            raise InvalidNetwork(f"layer {node.name!r}: {reason}") from None

    def channels_first(self, x: Signal) -> Signal:
        """`x` by a node with the channels first."""
        if x.layout.channels_last or x.ndim < 3:
            return x
        return self._permuted(x, True, (0, x.ndim - 1, *range(1, x.ndim - 1)))

    def plain(self, x: Signal) -> Signal:
        """`x` by a node that has the dimensions as Keras has them."""
        return self._permuted(x, False, (0, *range(2, x.ndim), 1)) if x.layout.channels_last else x

    def _permuted(self, x: Signal, first: bool, dims: tuple[int, ...]) -> Signal:
        if (x.name, first) not in self._orders:
            place = "channels_first" if first else "channels_last"
            self._orders[x.name, first] = self.emit(Permute(f"{x.name}.{place}", (x.name,), dims))
        name = self._orders[x.name, first]
        return Signal(name, Layout(self.shape(name), channels_last=first))


@dataclass(frozen=True, eq=False)
class LayerCall(Call):
    """One call of a layer; signals have the channels last unless their node has them where Keras does."""

    nodes: Draft
    kind: str
    options: Mapping[str, Any]
    variables: Mapping[str, Tensor]

    @property
    def channels_first(self) -> bool:
        """Whether the layer itself was told that channels come first."""
        return self.options.get("data_format") == "channels_first"

    def option(self, key: str, default: Any = None) -> Any:
        """What the layer was told."""
        return self.options.get(key, default)

    def plain(self, x: Signal) -> Signal:
        """`x` by a node that has the dimensions as Keras has them."""
        return self.nodes.plain(x)

    def spatial(self, x: Signal) -> Signal:
        """`x` by a node with the channels in dimension 1, wherever this layer has them."""
        return self.plain(x) if self.channels_first else self.nodes.channels_first(x)

    def normalized_axis(self, x: Signal) -> Signal:
        """`x` by a node with the normalised axis, the last one or the first behind the batch, in dimension 1."""
        axis = self.option("axis", -1) % x.ndim
        if axis not in (1, x.ndim - 1):
            raise Refused(f"normalises along axis {axis}; only the channels, first or last, can be normalised")
        return self.nodes.channels_first(x) if axis == x.ndim - 1 else self.plain(x)

    def inner(self, part: str) -> LayerCall:
        """The same call, naming its nodes after a part of the layer."""
        return replace(self, name=f"{self.name}.{part}")


def shape_of(x: Signal) -> tuple[int, ...]:
    """The per-sample shape that Keras sees."""
    return (*x.shape[1:], x.shape[0]) if x.layout.channels_last else x.shape


def numbers(call: Call, value: Any) -> Tensor:
    """Numbers in the network's type."""
    return torch.as_tensor(value, dtype=call.dtype)
