"""Residual networks of the FS conversion paper: for CIFAR, and ResNet-50 for ImageNet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import pad

from respike.errors import InvalidOption


def cifar_resnet(
    depth: int, classes: int = 10, *, input_norm: bool = False, activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    """ResNet of `depth` = 6 n + 2 layers for 32x32 images; [m, 3, 32, 32] to [m, classes] logits.

    Three stages of n blocks with 16, 32 and 64 channels; the first block of a later stage has stride 2 and a projected
    shortcut. One ReLU behind the stem and two in each block: 73,728 of them for depth 8, 131,072 for 14, 188,416 for
    20, 475,136 for 50, as in the FS paper's Table 2. input_norm: a batch norm without factors stands in front, so that
    pixels are standardised by the mean and variance of each colour in the training images. activation: makes what
    stands in the place of a ReLU, each with parameters of its own, such as `zoo.quantised.QCFS`.

    Source: He et al. 2016, Section 4.2, with projections (option B), as the TensorFlow models have them.
    Raises InvalidOption where `depth` is not 6 n + 2.
    """
    blocks = _blocks(depth)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if input_norm:
        layers["input_norm"] = nn.BatchNorm2d(3, affine=False)
    layers |= {"conv": nn.Conv2d(3, 16, 3, padding=1, bias=False), "norm": nn.BatchNorm2d(16), "relu": activation()}
    channels = 16
    for stage, width in enumerate((16, 32, 64), 1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            layers[f"stage{stage}_block{block}"] = BasicBlock(channels, width, stride, activation)
            channels = width
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(channels, classes)}
    return nn.Sequential(layers)


class BasicBlock(nn.Module):
    """relu(norm2(conv2(relu(norm1(conv1(x))))) + shortcut(x)); He et al. 2016, Figure 5 left."""

    def __init__(self, channels: int, width: int, stride: int, activation: Callable[[], nn.Module] = nn.ReLU) -> None:
        """Of `channels` inputs and `width` outputs; `activation` makes what stands in the place of a ReLU."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.relu1 = activation()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = _projection(channels, width, stride)
        self.relu2 = activation()

    def forward(self, images: Tensor) -> Tensor:
        """The block's output."""
        inner = self.relu1(self.norm1(self.conv1(images)))
        result: Tensor = self.relu2(self.norm2(self.conv2(inner)) + self.shortcut(images))
        return result


def padded_resnet(depth: int, classes: int = 10) -> nn.Sequential:
    """ResNet of `depth` = 6 n + 2 layers for 32x32 images without projections; [m, 3, 32, 32] to [m, classes] logits.

    As `cifar_resnet`, but where a block has stride 2, its shortcut takes every second pixel and fills the new channels
    with zeros, half of them in front. Its parameters have the names of the implementation that is most used with
    PyTorch (akamaster/pytorch_resnet_cifar10), so that those checkpoints load as they are; they expect standardised
    pixels.

    Source: He et al. 2016, Section 4.2 (option A).
    Raises InvalidOption where `depth` is not 6 n + 2.
    """
    blocks = _blocks(depth)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, 16, 3, padding=1, bias=False), bn1=nn.BatchNorm2d(16), relu=nn.ReLU()
    )
    channels = 16
    for stage, width in enumerate((16, 32, 64), 1):
        widths = [channels] + [width] * (blocks - 1)
        layers[f"layer{stage}"] = nn.Sequential(*(PaddedBlock(before, width) for before in widths))
        channels = width
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "linear": nn.Linear(channels, classes)}
    return nn.Sequential(layers)


class PaddedBlock(nn.Module):
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)); the shortcut of a wider block is padded with zeros."""

    def __init__(self, channels: int, width: int) -> None:
        """Of `channels` inputs and `width` outputs; the stride is 2 where they differ."""
        super().__init__()
        self.stride = 1 if width == channels else 2
        self.padding = (width - channels) // 2
        self.conv1 = nn.Conv2d(channels, width, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """The block's output."""
        inner = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(images)))))
        shortcut = images
        if self.padding:
            shortcut = pad(images[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        result: Tensor = self.relu2(inner + shortcut)
        return result


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut; the stride is in the 3x3 (He et al. 2016, Figure 5 right)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        """Of `channels` inputs and 4 * `width` outputs."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU()
        self.downsample = _projection(channels, 4 * width, stride)

    def forward(self, images: Tensor) -> Tensor:
        """The block's output."""
        inner = self.relu(self.bn1(self.conv1(images)))
        inner = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(inner)))))
        result: Tensor = self.relu(inner + self.downsample(images))
        return result


def imagenet_resnet50(classes: int = 1000) -> nn.Sequential:
    """ResNet-50 for 224x224 images; [m, 3, 224, 224] to [m, classes] logits; 9.6 million ReLUs.

    Its parameters have the names that torchvision gives them, so that a `state_dict` of the user's loads as it is. The
    stem keeps its max-pool, which FS conversion treats exactly; the paper put average pooling there.

    Source: He et al. 2016, Table 1; FS paper, Table 1.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, 64, 7, 2, padding=3, bias=False),
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(),
        maxpool=nn.MaxPool2d(3, 2, padding=1),
    )
    channels = 64
    for stage, (width, blocks) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True), 1):
        strides = [1 if stage == 1 else 2] + [1] * (blocks - 1)
        members = []
        for stride in strides:
            members.append(Bottleneck(channels, width, stride))
            channels = 4 * width
        layers[f"layer{stage}"] = nn.Sequential(*members)
    layers |= {"avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(channels, classes)}
    return nn.Sequential(layers)


def _blocks(depth: int) -> int:
    """The number of blocks in each of the three stages."""
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise InvalidOption(f"a CIFAR ResNet has 8, 14, 20, ... (6 n + 2) layers, not {depth}")
    return blocks


def _projection(channels: int, width: int, stride: int) -> nn.Sequential:
    if stride == 1 and channels == width:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
