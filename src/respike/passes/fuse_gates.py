"""Activations that were written as a signal times its own gate."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.ir import Activation, ElementwiseAffine, Function, Hardswish, Multiply, Network, ReLU, Sigmoid, SiLU
from respike.passes.draft import Draft


def fuse_gates(network: Network) -> Network:
    """`x · sigmoid(x)` as the one activation SiLU, and `x · min(max(0, x / 6 + 1 / 2), 1)` as Hardswish.

    That is how files spell them. As a product they would have to stay analog; as an activation they spike.
    """
    draft = Draft(network)
    for node in network.nodes:
        if isinstance(node, Multiply) and (found := _function(draft, *node.inputs)) is not None:
            source, function = found
            draft.replace(Activation(node.name, (source,), function))
    return draft.network()


def _function(draft: Draft, first: str, second: str) -> tuple[str, Function] | None:
    """What a product is a function of, and the function, if one factor is the gate of the other."""
    for source, gate in ((first, second), (second, first)):
        match draft.nodes[gate]:
            case Activation(inputs=(read,), function=Sigmoid()) if read == source:
                return source, SiLU()
            case Activation(inputs=(read,), function=ReLU(ceiling=1.0)) if _shifted(draft, read) == source:
                return source, Hardswish()
            case _:
                pass
    return None


def _shifted(draft: Draft, name: str) -> str | None:
    """What a value is a sixth of, and a half more."""
    match draft.nodes[name]:
        case ElementwiseAffine(inputs=(source,), scale=scale, shift=shift) if _is(scale, 1 / 6) and _is(shift, 0.5):
            return source
        case _:
            return None


def _is(values: Tensor, number: float) -> bool:
    return bool(torch.isclose(values.double(), torch.tensor(number).double(), rtol=1e-6).all())
