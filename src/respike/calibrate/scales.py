"""From activation scales to sites: what the normalising methods share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from respike.errors import DeadLayerWarning
from respike.ir import Activation, Conv, Linear, Network, ceiling
from respike.plan import Quantity, Site


def sites(network: Network, scales: Mapping[str, Quantity], **numbers: Any) -> dict[str, Site]:
    """A site per activation with threshold and spike value equal to the activation's scale.

    A neuron whose activation equals the scale then fires in every step. A scale of zero (a dead layer or channel: all
    activations zero on the calibration set) becomes the largest scale of its layer, or 1 where the whole layer is dead,
    with a `DeadLayerWarning`. A scale above a clip (ReLU6) becomes the clip.

    Args:
        network: the network to convert.
        scales: the scale of each activation, by name.
        numbers: further fields of every `Site`.
    """
    return {
        node.name: site(node.name, scales[node.name], ceiling(node.function), **numbers) for node in network.activations
    }


def site(name: str, scale: Quantity, highest: float = math.inf, **numbers: Any) -> Site:
    """The site of one population, with threshold and spike value equal to its scale; see `sites`.

    Args:
        name: of the activation, for messages.
        scale: the activation that one spike in every step stands for: a number, or one per channel.
        highest: a clip above which no activation can be (ReLU6).
        numbers: further fields of the `Site`.
    """
    return Site(_alive(name, scale, highest), **numbers)


def _alive(name: str, scale: Quantity, highest: float) -> Quantity:
    values = torch.as_tensor(scale, dtype=torch.float64).clamp(max=highest)
    largest = float(values.max())
    if largest <= 0:
        warnings.warn(
            f"layer {name!r} is dead: its activations are zero on the whole calibration set; "
            f"its threshold becomes {min(1.0, highest):g}. Check the calibration images and the layer's weights",
            DeadLayerWarning,
            stacklevel=6,
        )
        largest = min(1.0, highest)
    alive = torch.where(values > 0, values, largest)
    return float(alive) if alive.ndim == 0 else alive


def largest_weights(network: Network) -> dict[str, float]:
    """The largest weight of the layers that feed each activation, through whatever else is affine between them."""
    behind: dict[str, float] = {}
    largest: dict[str, float] = {}
    for node in network.nodes:
        feeding = max((behind[name] for name in node.inputs), default=-math.inf)
        match node:
            case Conv() | Linear():
                behind[node.name] = float(node.weight.max())
            case Activation():
                largest[node.name] = feeding
                behind[node.name] = -math.inf
            case _:
                behind[node.name] = feeding
    return largest
