"""What no output depends on."""

from __future__ import annotations

import dataclasses

from respike.ir import Input, Network


def drop_unused(network: Network) -> Network:
    """Without the nodes that no output depends on; inputs stay, since callers give them."""
    needed = set(network.outputs)
    for node in reversed(network.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    kept = tuple(node for node in network.nodes if node.name in needed or isinstance(node, Input))
    return dataclasses.replace(network, nodes=kept)
