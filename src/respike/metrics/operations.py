"""Operations of the network itself: multiply-accumulates."""

from __future__ import annotations

import math

from respike.ir import Conv, ConvTranspose, Divide, Linear, MatMul, Multiply, Network


def macs(network: Network) -> dict[str, int]:
    """Multiply-accumulates for one sample, per layer that multiplies.

    `outputs · inputs per output` for linear layers and convolutions, padding counted as inputs (the common convention,
    as in fvcore), and for products of two signals: `outputs · inner size` for matrices, `outputs` element by element.
    Not counted: biases, normalisation, pooling, interpolation, activations, additions of branches.
    """
    counts: dict[str, int] = {}
    for node in network.nodes:
        outputs = network.neurons(node.name)
        match node:
            case Conv() | Linear():
                counts[node.name] = outputs * math.prod(node.weight.shape[1:])
            case ConvTranspose():
                counts[node.name] = network.neurons(node.inputs[0]) * math.prod(node.weight.shape[1:])
            case MatMul():
                counts[node.name] = outputs * network.shapes[node.inputs[0]][-1]
            case Multiply() | Divide():
                counts[node.name] = outputs
            case _:
                pass
    return counts
