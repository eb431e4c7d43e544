"""The residual networks and VGG have the neurons that the papers' tables give."""

from __future__ import annotations

import pytest
import torch

import respike
from respike.errors import InvalidOption
from respike.ir import Network
from respike.zoo.residual import PaddedBlock, cifar_resnet, imagenet_resnet50, padded_resnet
from respike.zoo.vgg import vgg16


def loaded(module: torch.nn.Module, *shape: int) -> Network:
    # Without passes: a max-pool in front of the stem's neurons would leave a quarter of them.
    return respike.load(module.eval(), torch.rand(2, *shape), passes=())


def neurons(network: Network) -> int:
    return sum(network.neurons(node.name) for node in network.activations)


@pytest.mark.parametrize(("depth", "count"), [(8, 73_728), (14, 131_072), (20, 188_416), (50, 475_136)])
def test_the_neurons_of_the_papers_tables(depth: int, count: int) -> None:
    network = loaded(cifar_resnet(depth), 3, 32, 32)
    assert neurons(network) == count
    assert respike.cost.depth(network) == depth - 1


def test_shortcuts_without_projections_have_the_same_neurons_and_the_published_number_of_weights() -> None:
    """0.27 million weights for ResNet-20 (He et al. 2016, Table 6): projections would add 2,752."""
    module = padded_resnet(20)
    assert neurons(loaded(module, 3, 32, 32)) == 188_416
    assert sum(parameter.numel() for parameter in module.parameters()) == 269_722


def test_a_padded_shortcut_takes_every_second_pixel_and_adds_channels_of_zeros() -> None:
    block = PaddedBlock(2, 4).eval()
    torch.nn.init.zeros_(block.bn2.weight)  # leaves the shortcut alone
    images = torch.rand(1, 2, 4, 4)
    result = block(images)
    assert torch.equal(result[:, 1:3], images[:, :, ::2, ::2])
    assert not result[:, [0, 3]].any()


def test_resnet_50_for_imagenet_has_9_6_million() -> None:
    network = loaded(imagenet_resnet50(), 3, 64, 64)  # a quarter of the side: 16th of the neurons but for rounding
    assert neurons(network) * (224 / 64) ** 2 == pytest.approx(9.6e6, rel=0.01)
    assert sum(parameter.numel() for parameter in imagenet_resnet50().parameters()) == 25_557_032


def test_vgg_16_has_13_convolutions_and_2_dense_layers() -> None:
    network = loaded(vgg16(classes=100, width=8), 3, 32, 32)
    weighted = [node for node in network.nodes if type(node).__name__ in {"Conv", "Linear"}]
    assert len(weighted) == 15
    assert network.shapes[network.outputs[0]] == (100,)


def test_other_depths_are_refused() -> None:
    with pytest.raises(InvalidOption, match="8, 14, 20"):
        cifar_resnet(18)
