"""Operations of the network itself: multiply-accumulates."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from respike.ir import (
    ELU,
    GELU,
    Activation,
    Conv,
    ConvTranspose,
    Divide,
    Erf,
    GroupNorm,
    Hardswish,
    LayerNorm,
    Linear,
    MatMul,
    Mish,
    Multiply,
    Network,
    RMSNorm,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
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
    """Multiply-accumulates for one sample of all that does not spike: the sum of `analog_operations`.

    Args:
        network: the network that the plan is for, with its populations on edges (`Plan.on`).
        plan: says which nodes stay analog, and which values are held.
        fan_outs: those of `cost.fan_outs`, for this plan.
    """
    return sum(analog_operations(network, plan, fan_outs).values())


def analog_operations(network: Network, plan: Plan, fan_outs: Mapping[str, Tensor]) -> dict[str, float]:
    """Multiply-accumulates for one sample of each node that the plan lets stay analog, or holds, in all steps together.

    They are those of the products that a node is, those of its own arithmetic (`evaluations`), and one for each
    connection that its values cross: unlike a spike, a value has to be multiplied by its weight. A value that is held
    (`Plan.held`) has no arithmetic of its own. In time, all this is done in every step.

    Args:
        network: the network that the plan is for, with its populations on edges (`Plan.on`).
        plan: says which nodes stay analog, and which values are held.
        fan_outs: those of `cost.fan_outs`, for this plan.
    """
    products = macs(network)
    counts = {
        name: products.get(name, 0) + evaluations(network, name) + float(fan_outs[name].sum()) for name in plan.analog
    }
    counts |= {name: float(fan_outs[name].sum()) for name in plan.held}
    return {name: plan.schedule.steps * count for name, count in counts.items()}


def evaluations(network: Network, name: str) -> int:
    """Multiply-accumulates that a node which is neither a map nor a product takes for one sample, as we count them.

    For each element: 4 for norms (mean, variance, normalising, scaling), 3 for those without a mean; 8 for a softmax
    and for each sigmoid, tanh, SiLU, GELU, ELU, error function and Mish (5 for an exponential, by a polynomial of
    degree 5; the rest for a sum, a quotient and a product); 13 for a softplus (5 for the logarithm); 2 for Hardswish.
    No one counts these for the network itself, so a ratio of energies is against spikes.
    """
    match network[name]:
        case LayerNorm() | GroupNorm():
            each = 4
        case RMSNorm():
            each = 3
        case Softmax() | Activation(function=Sigmoid() | Tanh() | SiLU() | GELU() | ELU() | Erf() | Mish()):
            each = 8
        case Activation(function=Softplus()):
            each = 13
        case Activation(function=Hardswish()):
            each = 2
        case _:
            each = 0
    return each * network.neurons(name)
