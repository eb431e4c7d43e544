"""Starting a training from a trained network, whose biases fade where the new one has none."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

FADE = 1 / 3
"""The share of the training in which the biases fade."""


class Fading:
    """Biases that a network is to lose: they are added to the outputs of its layers, times a factor that falls to 0.

    factor: 1 when the training starts, 0 from the share `FADE` of it on.
    """

    factor = 1.0

    def at(self, progress: float) -> None:
        """Sets the factor for a share `progress` in [0, 1] of the training."""
        self.factor = max(0.0, 1 - progress / FADE)

    def add(self, layer: nn.Module, bias: Tensor) -> None:
        """Adds the bias `[outputs]` to what the layer gives."""

        def faded(_layer: nn.Module, _inputs: object, outputs: Tensor) -> Tensor | None:
            here = bias.to(outputs.device).reshape(-1, *(1,) * (outputs.ndim - 2))
            return outputs + self.factor * here if self.factor else None

        layer.register_forward_hook(faded)


def start(network: nn.Module, source: nn.Module) -> Fading:
    """Gives a network the weights of a trained one, layer by layer, with the batch norms of that one folded.

    Removing the batch norms and biases of a trained network at once leaves chance; letting the biases fade while it
    is trained on leaves nearly all of its accuracy, which training without batch norms from random weights does not
    reach.

    Args:
        network: layers without batch norms, by the names that they have in `source`.
        source: a sequence of layers in evaluation mode.

    Returns:
        What keeps the biases that `network` lacks: with its factor of 1, both networks compute the same.
    """
    fading, layers = Fading(), dict(source.named_children())
    following = dict(zip(layers, [*list(layers.values())[1:], nn.Identity()], strict=True))
    for name, layer in network.named_children():
        folded = _folded(layers[name], following[name])
        layer.load_state_dict({key: folded.state_dict()[key] for key in layer.state_dict()})
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is None and isinstance(folded.bias, Tensor):
            fading.add(layer, folded.bias.detach())
    return fading


def _folded(layer: nn.Module, norm: nn.Module) -> nn.Module:
    with torch.no_grad():
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            return fuse_conv_bn_eval(layer, norm)
        if isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
            return fuse_linear_bn_eval(layer, norm)
    return layer
