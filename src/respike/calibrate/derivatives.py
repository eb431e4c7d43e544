"""How much the outputs of a network move with its activations, in random directions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.ir import Network, Node, evaluate, walk


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Some activations of a network on a batch, and how its outputs depend on them.

    Args:
        currents: their inputs, `[batch, *shape]`.
        values: their values.
        derivatives: by the values, for each random direction v of the outputs, `v^T J`.
    """

    currents: Mapping[str, Tensor]
    values: Mapping[str, Tensor]
    derivatives: Mapping[str, Sequence[Tensor]]


def derivatives(
    network: Network, names: Collection[str], images: Tensor, draw: torch.Generator, probes: int
) -> Derivatives:
    """Runs a network on images, and back from its outputs in random directions.

    The directions are normal, so the mean of `(v^T J e)^2` is the squared norm of `J e`: to first order, the squared
    error of the outputs that an error e of an activation makes.

    Args:
        network: the network.
        names: of the activations.
        images: a batch, `[batch, *shape]`.
        draw: gives the directions.
        probes: how many directions.
    """
    currents, values = dict[str, Tensor](), dict[str, Tensor]()

    def value(node: Node, inputs: list[Tensor]) -> Tensor:
        found = evaluate(node, inputs)
        if node.name in names:
            currents[node.name] = inputs[0].detach()
            values[node.name] = found = found if found.requires_grad else found.requires_grad_()
        return found

    with torch.enable_grad():
        nodes = walk(network.nodes, value, network.check_inputs((images,)))
        outputs = [found for node, found in nodes if node.name in network.outputs and found.requires_grad]
        found = []
        for _ in range(probes):
            directions = [torch.randn(out.shape, generator=draw, dtype=out.dtype).to(out.device) for out in outputs]
            given = list(values.values())
            found.append(torch.autograd.grad(outputs, given, directions, retain_graph=True, allow_unused=True))
    by = {
        name: [torch.zeros_like(values[name]) if each[number] is None else each[number] for each in found]
        for number, name in enumerate(values)
    }
    return Derivatives(currents, {name: value.detach() for name, value in values.items()}, by)
