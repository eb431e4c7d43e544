"""Networks put together by hand, with weights that are easy to fold wrongly."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.ir import Activation, BatchNorm, Conv, ElementwiseAffine, Input, Linear, Network, Node, ReLU


def batch_norm(name: str, source: str, channels: int, epsilon: float = 0.37, *, shift: bool = True) -> BatchNorm:
    mean = torch.randn(channels).double() if shift else torch.zeros(channels).double()
    bias = torch.randn(channels).double() if shift else None
    weight = torch.randn(channels).double()
    return BatchNorm(name, (source,), mean, torch.rand(channels).double(), weight, bias, epsilon)


def conv(
    name: str, source: str, shape: tuple[int, ...], *, padding: int = 0, groups: int = 1, bias: bool = True
) -> Conv:
    weight = torch.randn(shape).double()
    count = len(shape) - 2
    ones = (1,) * count
    offset = torch.randn(shape[0]).double() if bias else None
    return Conv(name, (source,), weight, offset, ones, (padding,) * count, ones, groups)


def linear(name: str, source: str, out: int, inputs: int, *, bias: bool = True) -> Linear:
    return Linear(name, (source,), torch.randn(out, inputs).double(), torch.randn(out).double() if bias else None)


def affine(name: str, source: str, *shape: int) -> ElementwiseAffine:
    return ElementwiseAffine(name, (source,), torch.randn(shape).double(), torch.randn(shape).double())


def relu(name: str, source: str) -> Activation:
    return Activation(name, (source,), ReLU())


def network(shape: tuple[int, ...], *nodes: Node, outputs: tuple[str, ...] = ()) -> Network:
    return Network((Input("x", (), shape), *nodes), outputs or (nodes[-1].name,))


def assert_same(before: Network, after: Network) -> None:
    inputs: list[Tensor] = [torch.randn(3, *node.shape).double() for node in before.inputs]
    first = before.values(inputs, before.outputs)
    second = after.values(inputs, after.outputs)
    for old, new in zip(before.outputs, after.outputs, strict=True):
        torch.testing.assert_close(second[new], first[old], rtol=1e-10, atol=1e-10)
