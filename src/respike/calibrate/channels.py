"""Which dimension of a population is that of its channels: what has a unit and a mean of its own."""

from __future__ import annotations

from torch import Tensor

from respike.ir import Activation, Identity, Linear, Network


def channel_axis(network: Network, name: str) -> int:
    """The dimension of a sample's shape in which channels stand: the first one, as in images.

    On an edge that a linear layer reads it is the last one: tokens have features there.
    """
    node = network[name] if name in network.shapes else None
    on_edge = isinstance(node, Activation) and isinstance(node.function, Identity)
    features = on_edge and any(isinstance(reader, Linear) for reader in network.readers(name))
    return len(network.shapes[name]) - 1 if features else 0


def for_channels(values: Tensor, network: Network, name: str) -> Tensor:
    """Numbers of channels as a site has them: `[channels]`, or `[1, ..., channels]` where channels come last.

    Args:
        values: `[channels]`.
        network: the network.
        name: of the population.
    """
    return values.reshape((1,) * channel_axis(network, name) + (-1,))
