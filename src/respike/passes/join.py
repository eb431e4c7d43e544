"""Several inputs or outputs as one, which is what methods, engines and `measure` take."""

from __future__ import annotations

import math
from dataclasses import replace

from respike.ir import Concat, Input, Network, Node, Reshape, Slice

JOINED_INPUTS = "joined_inputs"
JOINED_OUTPUTS = "joined_outputs"


def join_inputs(network: Network) -> Network:
    """The network with one flat input `[batch, elements]`: those of all inputs, one behind the other, in their order.

    Give it `torch.cat([x.flatten(1) for x in inputs], 1)`. A network of one input stays as it is.
    """
    if len(network.inputs) == 1:
        return network
    nodes: list[Node] = [Input(JOINED_INPUTS, (), (sum(math.prod(entry.shape) for entry in network.inputs),))]
    start = 0
    for node in network.nodes:
        if not isinstance(node, Input):
            nodes.append(node)
            continue
        size = math.prod(node.shape)
        own = f"{node.name}.elements"
        nodes.append(Slice(own, (JOINED_INPUTS,), 1, start, start + size))
        nodes.append(Reshape(node.name, (own,), node.shape))
        start += size
    return replace(network, nodes=tuple(nodes))


def join_outputs(network: Network) -> Network:
    """The network with one flat output `[batch, elements]`: those of all outputs, one behind the other, in their order.

    `outputs.split([math.prod(network.shapes[name]) for name in network.outputs], 1)` takes them apart again. A network
    of one output stays as it is. `dataclasses.replace(network, outputs=(name,))` keeps one output alone.
    """
    if len(network.outputs) == 1:
        return network
    flat = [
        Reshape(f"{name}.elements{number}", (name,), (math.prod(network.shapes[name]),))
        for number, name in enumerate(network.outputs)
    ]
    joined = Concat(JOINED_OUTPUTS, tuple(node.name for node in flat), 1)
    return replace(network, nodes=(*network.nodes, *flat, joined), outputs=(JOINED_OUTPUTS,))
