"""Operations of the network itself: multiply-accumulates."""

from __future__ import annotations

import math

from respike.ir import Conv, Linear, Network


def macs(network: Network) -> dict[str, int]:
    """Multiply-accumulates for one sample, per weighted layer.

    `outputs · inputs per output` for linear layers and convolutions, padding counted as inputs (the common convention,
    as in fvcore). Not counted: biases, batch norm, pooling, activations, additions of branches.
    """
    counts: dict[str, int] = {}
    for node in network.nodes:
        if isinstance(node, Conv | Linear):
            counts[node.name] = network.neurons(node.name) * math.prod(node.weight.shape[1:])
    return counts
