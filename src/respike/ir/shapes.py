"""The shape of each node's value, found once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch

from respike.ir.evaluate import evaluate, map_tensors
from respike.ir.nodes import Activation, Conv, ConvTranspose, Node

Shape: TypeAlias = tuple[int, ...]

_found: WeakKeyDictionary[Node, tuple[tuple[Shape, ...], Shape]] = WeakKeyDictionary()


def infer_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    """The per-sample shape of the value of any node but an input, for inputs of these per-sample shapes.

    The node runs on the meta device, where nothing is computed. What was found is kept as long as the node lives, since
    passes make new networks of mostly the same nodes.

    Raises:
        RuntimeError, IndexError, ValueError: whatever PyTorch raises where the node cannot take such inputs.
    """
    given = tuple(inputs)
    if isinstance(node, Activation):
        return given[0]
    known = _found.get(node)
    if known is None or known[0] != given:
        _check_windows(node)
        meta = map_tensors(node, lambda t: t.to("meta", torch.get_default_dtype()))
        value = evaluate(meta, [torch.empty(1, *shape, device="meta") for shape in given])
        known = _found[node] = given, tuple(value.shape[1:])
    return known[1]


def _check_windows(node: Node) -> None:
    """PyTorch takes one number for all dimensions; a node has one for each, which engines rely on."""
    parts = ("kernel", "stride", "padding", "output_padding", "dilation")
    counts = {part: len(getattr(node, part)) for part in parts if hasattr(node, part)}
    if isinstance(node, Conv | ConvTranspose):
        counts["weight"] = node.weight.ndim - 2
    if len(set(counts.values())) > 1:
        raise ValueError(f"{', '.join(counts)} are of {', '.join(map(str, counts.values()))} dimensions")
