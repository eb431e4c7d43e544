"""Other weights for a network: those of a plan that has moved them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

from torch import Tensor

from respike.ir import Conv, ConvTranspose, Linear, Network, Node

_reweighed: WeakKeyDictionary[Network, tuple[Mapping[str, Tensor], list[int], Network | None]] = WeakKeyDictionary()
"""For each network, the weights that it was given last, how often each has changed in place until then, and the network
with them; None for that network itself, which would keep itself alive."""


def reweighed(network: Network, weights: Mapping[str, Tensor]) -> Network:
    """The network with other weights, in its type and on its device.

    The last result is kept as long as the network lives: engines ask for it in every run, and keep what they work out
    for it.

    Args:
        network: the network.
        weights: by the names of linear layers and convolutions.
    """
    if not weights:
        return network
    changes = [0 if weight.is_inference() else weight._version for weight in weights.values()]
    known, then, made = _reweighed.get(network, ({}, [], None))
    if known is weights and then == changes:
        return made or network

    def with_weight(node: Node) -> Node:
        if node.name not in weights or not isinstance(node, Linear | Conv | ConvTranspose):
            return node
        return replace(node, weight=weights[node.name].to(node.weight))

    found = replace(network, nodes=tuple(map(with_weight, network.nodes)))
    _reweighed[network] = weights, changes, found
    _reweighed[found] = weights, changes, None
    return found
