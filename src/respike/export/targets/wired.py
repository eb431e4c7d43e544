"""A NIR graph as torch modules, for simulators whose own reader of NIR does not take it."""

from __future__ import annotations

from collections.abc import Callable
from graphlib import TopologicalSorter
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Wired(nn.Module):
    """One time step of a graph: every node sees the sum of what its edges bring. Neurons keep their own state."""

    def __init__(self, graph: Any, neuron: Callable[[Any], nn.Module]) -> None:
        super().__init__()
        self.before: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for source, reader in graph.edges:
            self.before[reader].append(source)
        self.order = topological(graph)
        (self.entry,), (self.end,) = graph.inputs, graph.outputs
        self.nodes = nn.ModuleDict(
            {
                name: neuron(node) if type(node).__name__ == "IF" else stateless(node)
                for name, node in graph.nodes.items()
            }
        )

    def forward(self, current: Tensor) -> Tensor:
        """What the output node gets in this step."""
        values: dict[str, Tensor] = {}
        for name in self.order:
            given = [values[source] for source in self.before[name]]
            values[name] = self.nodes[name](sum(given[1:], start=given[0]) if given else current)
        return values[self.end]


def topological(graph: Any) -> list[str]:
    """The names of the nodes, each behind all that it reads."""
    before: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, reader in graph.edges:
        before[reader].append(source)
    return list(TopologicalSorter(before).static_order())


class SumPool2d(nn.Module):
    """Sums over windows; torch has averages only."""

    def __init__(self, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """The sums."""
        return F.avg_pool2d(x, self.kernel, self.stride, self.padding, divisor_override=1)


def stateless(node: Any) -> nn.Module:
    """The torch module of a node without state."""
    match type(node).__name__:
        case "Input" | "Output":
            return nn.Identity()
        case "Affine":
            linear = nn.Linear(node.weight.shape[1], node.weight.shape[0])
            return _filled(linear, node)
        case "Conv1d" | "Conv2d" as kind:
            convolution = nn.Conv1d if kind == "Conv1d" else nn.Conv2d
            inputs = node.weight.shape[1] * int(node.groups)
            made: Any = convolution(
                inputs,
                len(node.weight),
                node.weight.shape[2:],
                stride=_numbers(node.stride),
                padding=_numbers(node.padding),
                dilation=_numbers(node.dilation),
                groups=int(node.groups),
            )
            return _filled(made, node)
        case "SumPool2d":
            return SumPool2d(*(_numbers(part) for part in (node.kernel_size, node.stride, node.padding)))
        case "AvgPool2d":
            return nn.AvgPool2d(*(_numbers(part) for part in (node.kernel_size, node.stride, node.padding)))
        case "Flatten":
            return nn.Flatten()
        case kind:
            raise TypeError(f"no torch module for the node {kind}")


def _filled(module: Any, node: Any) -> nn.Module:
    module.weight = nn.Parameter(torch.as_tensor(node.weight), requires_grad=False)
    module.bias = nn.Parameter(torch.as_tensor(node.bias), requires_grad=False)
    made: nn.Module = module
    return made


def _numbers(numbers: Any) -> Any:
    return tuple(int(number) for number in numbers) if hasattr(numbers, "__len__") else int(numbers)
