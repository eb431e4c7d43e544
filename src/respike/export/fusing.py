"""Sum pools and the maps behind them as one map, so that the map reads the spikes themselves."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from respike.ir import AvgPool, Conv, Linear, Network, Node, Reshape


def fuse_pools(network: Network) -> Network:
    """The network with each sum pool made part of the convolutions or flattened linear maps that read it.

    A pool of window `k` and stride `s` in front of a kernel with the taps `w[a]` is a kernel with
    `w'[a · s + p] = w[a]`, `0 ≤ p < k`, and `s` times its stride. Pools that something else reads stay as they are.
    """
    nodes = {node.name: node for node in network.nodes}
    for pool in (node for node in network.nodes if isinstance(node, AvgPool)):
        fused = [_fused(pool, reader, network, nodes) for reader in network.readers(pool.name)]
        whole = [node for node in fused if node is not None]
        if len(whole) == len(fused) and pool.name not in network.outputs:
            del nodes[pool.name]
            for parts in whole:
                nodes.update({node.name: node for node in parts})
    return replace(network, nodes=tuple(nodes.values()))


def _fused(pool: AvgPool, reader: Node, network: Network, nodes: dict[str, Node]) -> list[Node] | None:
    """The nodes that do what a pool and its reader do; None where they cannot be one map."""
    before, after = network.shapes[pool.inputs[0]], network.shapes[pool.name]
    tiles = [(n - k) // s + 1 == m for n, k, s, m in zip(before[1:], pool.kernel, pool.stride, after[1:], strict=False)]
    if pool.divisor != 1 or any(pool.padding) or not all(tiles) or len(before) != len(pool.kernel) + 1:
        return None
    match reader:
        case Conv() if not any(reader.padding):
            current = nodes[reader.name]
            assert isinstance(current, Conv)
            return [_convolution(pool, current)]
        case Reshape(shape=(_,)):
            maps = network.readers(reader.name)
            if reader.name in network.outputs or not all(isinstance(node, Linear) for node in maps):
                return None
            flat = replace(reader, inputs=pool.inputs, shape=(network.neurons(pool.inputs[0]),))
            linear = [nodes[node.name] for node in maps]
            return [flat, *(_linear(pool, node, before, after) for node in linear if isinstance(node, Linear))]
        case _:
            return None


def _convolution(pool: AvgPool, conv: Conv) -> Conv:
    weight = conv.weight
    for dim, (window, step, dilation) in enumerate(zip(pool.kernel, pool.stride, conv.dilation, strict=True), start=2):
        taps = weight.shape[dim]
        weight = _spread(weight, dim, window, step * dilation, (taps - 1) * step * dilation + window)
    stride = tuple(one * other for one, other in zip(conv.stride, pool.stride, strict=True))
    return replace(conv, inputs=pool.inputs, weight=weight, stride=stride, dilation=(1,) * len(stride))


def _linear(pool: AvgPool, linear: Linear, before: tuple[int, ...], after: tuple[int, ...]) -> Linear:
    weight = linear.weight.reshape(-1, *after)
    for dim, (window, step) in enumerate(zip(pool.kernel, pool.stride, strict=True), start=2):
        weight = _spread(weight, dim, window, step, before[dim - 1])
    return replace(linear, weight=weight.flatten(1))


def _spread(weight: Tensor, dim: int, window: int, step: int, size: int) -> Tensor:
    """Element a of a dimension put at `a · step + p` for each p below `window`, in a dimension of `size`."""
    matrix = torch.zeros(weight.shape[dim], size, dtype=weight.dtype, device=weight.device)
    for tap in range(weight.shape[dim]):
        matrix[tap, tap * step : tap * step + window] = 1
    return (weight.movedim(dim, -1) @ matrix).movedim(-1, dim).contiguous()
