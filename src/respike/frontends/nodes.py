"""The nodes of a network that a file is read into, one after the other."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from respike.errors import InvalidNetwork, UnsupportedOperator
from respike.frontends.semantics import Refused
from respike.ir import BatchNorm, Input, Network, Node, evaluate, map_tensors, tensors

LARGEST = 2**28
"""More elements than any value for one sample may have, so that a small file cannot claim the whole memory."""


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
        self._values: dict[str, Tensor] = {}

    def emit(self, node: Node) -> str:
        """Append a node and return its name; `Refused` where its inputs do not fit, or its value is too large."""
        named = replace(node, name=self._names.take(node.name))
        try:
            value = self._value(named)
        except (RuntimeError, IndexError, ValueError) as error:
            shapes = " and ".join(str(list(self.shape(name))) for name in named.inputs)
            raise Refused(f"it cannot take {shapes}: {str(error).splitlines()[0]}") from error
        if value.numel() > LARGEST:
            raise Refused(f"it gives {list(value.shape[1:])} values a sample, more elements than any network needs")
        self._values[named.name] = value
        self.listed.append(named)
        return named.name

    def shape(self, name: str) -> tuple[int, ...]:
        """The per-sample shape of a node's value."""
        return tuple(self._values[name].shape[1:])

    def _value(self, node: Node) -> Tensor:
        """A node's value for one sample on the meta device, where nothing is computed."""
        if isinstance(node, Input):
            return torch.empty(1, *node.shape, device="meta")
        meta = map_tensors(node, lambda t: t.to("meta", torch.get_default_dtype()))
        return evaluate(meta, [self._values[name] for name in node.inputs])


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
