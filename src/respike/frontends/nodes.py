"""The nodes of a network that a file is read into, one after the other."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from respike.errors import InvalidNetwork, UnsupportedOperator
from respike.frontends.constants import LARGEST
from respike.frontends.semantics import Refused
from respike.ir import BatchNorm, Input, Network, Node, infer_shape, tensors


class Names:
    """Gives names out once: the second `relu` becomes `relu@2`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        """`wanted`, or it with the first free number."""
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}@{count}"
        self._taken.add(name)
        return name


class Nodes:
    """The nodes so far, each under a name of its own, and the shapes of their values."""

    def __init__(self) -> None:
        self.listed: list[Node] = []
        self._names = Names()
        self._shapes: dict[str, tuple[int, ...]] = {}

    def emit(self, node: Node) -> str:
        """Append a node and return its name; `Refused` where its inputs do not fit, or its value is too large."""
        named = replace(node, name=self._names.take(node.name))
        given = [self._shapes[name] for name in named.inputs]
        try:
            shape = named.shape if isinstance(named, Input) else infer_shape(named, given)
        except (RuntimeError, IndexError, ValueError) as error:
            shapes = " and ".join(str(list(shape)) for shape in given)
            raise Refused(f"it cannot take {shapes}: {str(error).splitlines()[0]}") from error
        if math.prod(shape) > LARGEST:
            raise Refused(f"it gives {list(shape)} values a sample, more elements than any network needs")
        self._shapes[named.name] = shape
        self.listed.append(named)
        return named.name

    def shape(self, name: str) -> tuple[int, ...]:
        """The per-sample shape of a node's value."""
        return self._shapes[name]


def check_refused(refused: dict[str, str]) -> None:
    """Raise `UnsupportedOperator` with all that was refused, by its place and with the reason."""
    if refused:
        listed = "\n".join(f"  {place}: {reason}" for place, reason in refused.items())
        raise UnsupportedOperator(f"respike cannot convert {len(refused)} part(s) of the network:\n{listed}")


def check_weights(network: Network) -> None:
    """Raise `InvalidNetwork` for weights that are not finite, and for variances that are not positive."""
    if bad := [node.name for node in network.nodes if not all(bool(torch.isfinite(t).all()) for t in tensors(node))]:
        raise InvalidNetwork(f"weights that are NaN or infinite in: {', '.join(bad)}; load a sound checkpoint")
    for node in network.nodes:
        if isinstance(node, BatchNorm) and bool((node.variance + node.epsilon <= 0).any()):
            raise InvalidNetwork(f"the variance of {node.name!r} is not positive; load a sound checkpoint")
