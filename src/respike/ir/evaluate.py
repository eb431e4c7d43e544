"""The value of a node, and the tensors that a node holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from torch import Tensor

from respike.ir.apply import apply, apply_activation, apply_max
from respike.ir.nodes import Activation, AdaptiveMaxPool, Input, MaxPool, Node

N = TypeVar("N", bound=Node)


def evaluate(node: Node, inputs: list[Tensor], *, bias: bool = True) -> Tensor:
    """The value of any node but an input, in the network, not in its spiking twin.

    Args:
        node: the node.
        inputs: the values that it reads, `[batch, *shape]` each.
        bias: whether biases are added; without them, the linear part alone of an affine map.
    """
    match node:
        case Input():
            raise TypeError(f"{node.name} is an input; its value is given")
        case Activation():
            return apply_activation(node, inputs[0])
        case MaxPool() | AdaptiveMaxPool():
            return apply_max(node, inputs[0])
        case _:
            return apply(node, inputs, bias=bias)


def tensors(node: Node) -> Iterator[Tensor]:
    """The weights, biases and statistics of a node."""
    for part in dataclasses.fields(node):
        value = getattr(node, part.name)
        if isinstance(value, Tensor):
            yield value


def map_tensors(node: N, function: Callable[[Tensor], Tensor]) -> N:
    """The node with `function` applied to each of its tensors."""
    changed: dict[str, Any] = {
        part.name: function(value)
        for part in dataclasses.fields(node)
        if isinstance(value := getattr(node, part.name), Tensor)
    }
    return dataclasses.replace(node, **changed)
