"""Operations of the network itself: multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from respike.ir import Conv, ConvTranspose, Divide, Linear, MatMul, Multiply, Network
from respike.plan import Plan


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


def analog_macs(network: Network, plan: Plan, fan_outs: Mapping[str, Tensor]) -> float:
    """Multiply-accumulates for one sample of what the plan lets stay analog (`Plan.analog`).

    The products that these nodes are, and one for each connection that their values cross: unlike a spike, a value has
    to be multiplied by its weight.

    Args:
        network: the network that the plan is for.
        plan: says which nodes stay analog.
        fan_outs: those of `cost.fan_outs`.
    """
    products = macs(network)
    return sum(products.get(name, 0) + float(fan_outs[name].sum()) for name in plan.analog)
