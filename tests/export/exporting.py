"""What the tests of exports share: a small residual network, and a simulator of NIR files written in numpy."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from networks import Builder
from respike.ir import AvgPool, Linear, Network, Reshape
from respike.plan import Plan, Site
from respike.schedule import Steady
from respike.spiking import SpikingNetwork

Array = npt.NDArray[Any]


def residual(seed: int, *, bias: bool = True) -> Network:
    """A stem, a block with an identity shortcut, a strided convolution, a pool and a linear map, in float64."""
    builder = Builder((2, 6, 8), seed, bias)
    for block in ("conv", "residual", "strided"):
        builder.block(block)
    builder.put(AvgPool("pool", (builder.last,), (3, 2), (3, 2), (0, 0)))
    builder.put(Reshape("flatten", (builder.last,), (4 * 1 * 2,)))
    builder.put(Linear("fc", (builder.last,), builder.random(3, 8), builder.random(3) if bias else None))
    return Network(tuple(builder.nodes), ("fc",), "residual")


def spiking(network: Network, steps: int = 12, seed: int = 0, **numbers: Any) -> SpikingNetwork:
    """The network with random thresholds; what else a site has is given."""
    generator = torch.Generator().manual_seed(seed)
    sites = {
        node.name: Site(float(torch.rand(1, generator=generator)) + 0.3, **numbers) for node in network.activations
    }
    return SpikingNetwork(network, Plan(sites, Steady(steps)))


def given(count: int = 4, seed: int = 3) -> Tensor:
    """Images for `residual`."""
    return torch.rand(count, 2, 6, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def simulate(graph: Any, images: Array, steps: int, *, strict: bool, subtract: bool) -> tuple[dict[str, Array], Array]:
    """Runs a NIR graph on constant images: spikes per IF node `[steps, batch, *shape]`, and the sum of the output."""
    before: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for source, reader in graph.edges:
        before[reader].append(source)
    order = list(TopologicalSorter(before).static_order())
    potentials: dict[str, Array] = {}
    spikes: dict[str, list[Array]] = {}
    total: Array = np.zeros(())
    for _ in range(steps):
        values: dict[str, Array] = {}
        for name in order:
            node = graph.nodes[name]
            x = images if not before[name] else np.sum([values[source] for source in before[name]], axis=0)
            match type(node).__name__:
                case "IF":
                    v = potentials.get(name, 0.0) + node.r * x
                    fired = v > node.v_threshold if strict else v >= node.v_threshold
                    potentials[name] = v - node.v_threshold * fired if subtract else np.where(fired, node.v_reset, v)
                    values[name] = fired.astype(x.dtype)
                    spikes.setdefault(name, []).append(values[name])
                case "Output":
                    total = total + x
                case kind:
                    values[name] = stateless(kind, vars(node), x)
    return {name: np.stack(parts) for name, parts in spikes.items()}, total


def stateless(kind: str, numbers: dict[str, Any], x: Array) -> Array:
    """The value of a node that has no state, by its definition."""
    match kind:
        case "Input":
            return x
        case "Affine":
            return np.asarray(x @ numbers["weight"].T + numbers["bias"])
        case "Flatten":
            return x.reshape(len(x), -1)
        case "Conv2d":
            summed = convolve(x, numbers["weight"], numbers["stride"], numbers["padding"])
            return np.asarray(summed + numbers["bias"][:, None, None])
        case "SumPool2d" | "AvgPool2d":
            kernel, stride = numbers["kernel_size"], numbers["stride"]
            return np.asarray(sum_pool(x, kernel, stride) / (np.prod(kernel) if kind == "AvgPool2d" else 1))
        case _:
            raise TypeError(kind)


def convolve(x: Array, weight: Array, stride: Any, padding: Any) -> Array:
    """Cross-correlation, `[batch, in, h, w]` with `[out, in, k, l]`, written as its sum."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    height, width = ((x.shape[2 + i] - weight.shape[2 + i]) // stride[i] + 1 for i in range(2))
    result = np.zeros((len(x), len(weight), height, width), x.dtype)
    for a in range(weight.shape[2]):
        for b in range(weight.shape[3]):
            part = x[:, :, a : a + stride[0] * height : stride[0], b : b + stride[1] * width : stride[1]]
            result += np.einsum("nihw,oi->nohw", part, weight[:, :, a, b])
    return result


def sum_pool(x: Array, kernel: Any, stride: Any) -> Array:
    """Sums over windows of each channel."""
    ones = np.ones((1, 1, *kernel))
    return np.concatenate([convolve(x[:, [channel]], ones, stride, (0, 0)) for channel in range(x.shape[1])], 1)
