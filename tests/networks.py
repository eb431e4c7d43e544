"""Random networks for property tests: chains with residuals, pools and both kinds of layers."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    FixedLinear,
    Function,
    Input,
    Linear,
    MaxPool,
    Network,
    Node,
    QuantisedReLU,
    ReLU,
    Reshape,
)
from respike.methods import Method

BLOCKS = ("conv", "grouped", "strided", "residual", "concat", "avgpool", "overlapping", "maxpool", "batchnorm")

RESAMPLING = ("transposed", "doubled")


class Builder:
    """Puts random layers one behind the other."""

    def __init__(self, shape: tuple[int, ...], seed: int, bias: bool = True) -> None:
        self.nodes: list[Node] = [Input("x", (), shape)]
        self.last = "x"
        self.channels = shape[0]
        self.generator = torch.Generator().manual_seed(seed)
        self.bias = bias

    def random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def put(self, node: Node) -> str:
        self.nodes.append(node)
        self.last = node.name
        return node.name

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.nodes)}"

    def relu(self) -> str:
        return self.put(Activation(self.name("relu"), (self.last,), ReLU()))

    def conv(self, channels: int, source: str | None = None, stride: int = 1, groups: int = 1) -> str:
        weight = self.random(channels, self.channels // groups, 3, 3) / (9 * self.channels / groups) ** 0.5
        bias = self.random(channels) / 8 if self.bias else None
        name = self.name("conv")
        node = Conv(name, (source or self.last,), weight, bias, (stride, stride), (1, 1), (1, 1), groups)
        self.channels = channels
        return self.put(node)

    def shape(self, dim: int) -> int:
        return Network(tuple(self.nodes), (self.last,)).shapes[self.last][dim]

    def block(self, kind: str) -> None:
        before, channels = self.last, self.channels
        match kind:
            case "conv":
                self.conv(3)
                self.relu()
            case "grouped":
                self.conv(channels, groups=channels)
                self.relu()
            case "strided":
                self.conv(4, stride=2)
                self.relu()
            case "residual":
                self.conv(channels)
                self.relu()
                self.conv(channels)
                self.put(Add(self.name("add"), (self.last, before)))
                self.relu()
            case "concat":
                left = self.conv(2)
                self.channels = channels
                right = self.conv(2, before)
                self.put(Concat(self.name("concat"), (left, right, before), 1))
                self.channels = 4 + channels
                self.relu()
            case "avgpool":
                self.put(AvgPool(self.name("pool"), (self.last,), (2, 2), (2, 2), (0, 0), ceil_mode=True))
            case "overlapping":
                self.put(AvgPool(self.name("pool"), (self.last,), (3, 3), (2, 2), (1, 1)))
            case "maxpool":
                self.put(MaxPool(self.name("pool"), (self.last,), (2, 2), (2, 2), (0, 0), (1, 1), ceil_mode=True))
            case "transposed":
                groups = 2 if channels % 2 == 0 else 1
                weight = self.random(channels, 2, 3, 2) / (6 * channels) ** 0.5
                steps = ((2, 1), (1, 0), (1, 0), (1, 2))
                self.channels = 2 * groups
                self.put(ConvTranspose(self.name("up"), (self.last,), weight, None, *steps, groups))
                self.relu()
            case "doubled":
                matrix = torch.eye(self.shape(-1), dtype=torch.float64).repeat_interleave(2, 0)
                self.put(FixedLinear(self.name("double"), (self.last,), 3, matrix))
            case "batchnorm":
                mean, variance = self.random(channels) / 4, self.random(channels).square() + 0.1
                weight, bias = self.random(channels), self.random(channels) / 8
                self.put(BatchNorm(self.name("bn"), (self.last,), mean, variance, weight, bias, 1e-3))
            case _:
                raise ValueError(kind)

    def network(self, classes: int = 4) -> Network:
        self.put(AdaptiveAvgPool(self.name("pool"), (self.last,), (2, 2)))
        self.put(Reshape(self.name("flatten"), (self.last,), (4 * self.channels,)))
        self.put(Linear("fc", (self.last,), self.random(classes, 4 * self.channels) / self.channels**0.5, None))
        return Network(tuple(self.nodes), ("fc",), "random")


@st.composite
def networks(draw: st.DrawFn, *, bias: bool | None = None, kinds: tuple[str, ...] = BLOCKS) -> Network:
    """A random convolutional network on `[2, 6, 5]` images, in float64."""
    blocks = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3))
    builder = Builder((2, 6, 5), draw(st.integers(0, 2**31)), draw(st.booleans()) if bias is None else bias)
    builder.conv(3)
    builder.relu()
    for kind in blocks:
        builder.block(kind)
    return builder.network()


@st.composite
def perceptrons(draw: st.DrawFn, *, bias: bool | None = None) -> Network:
    """A random multi-layer perceptron on `[5]` inputs, in float64."""
    sizes = [5, *draw(st.lists(st.integers(2, 8), min_size=1, max_size=3))]
    builder = Builder((5,), draw(st.integers(0, 2**31)))
    biased = draw(st.booleans()) if bias is None else bias
    for inputs, outputs in itertools.pairwise(sizes):
        constant = builder.random(outputs) / 4 if biased else None
        weight = builder.random(outputs, inputs) / inputs**0.5
        builder.put(Linear(builder.name("fc"), (builder.last,), weight, constant))
        builder.relu()
    builder.put(Linear("out", (builder.last,), builder.random(3, sizes[-1])))
    return Network(tuple(builder.nodes), ("out",), "random")


def with_levels(network: Network, levels: int = 5, top: float = 1.5, offset: float = 0.5) -> Network:
    """The network with quantised activations in the place of its ReLUs."""
    function = QuantisedReLU(top, levels, offset)
    return replace(
        network, nodes=tuple(replace(n, function=function) if isinstance(n, Activation) else n for n in network.nodes)
    )


def suited(network: Network, method: Method[Any]) -> Network:
    """The network, with what a method needs of it."""
    return network if method.suits(network) else with_levels(network)


def computing(function: Function, network: Network) -> Network:
    """The network with this function in all activations."""
    nodes = (replace(node, function=function) if isinstance(node, Activation) else node for node in network.nodes)
    return replace(network, nodes=tuple(nodes))


def images(network: Network, count: int, seed: int = 0) -> Tensor:
    """Random images in [0, 1], in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, *network.inputs[0].shape, generator=generator, dtype=torch.float64)
