"""VGG-16 of the ECC paper."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def vgg16(classes: int = 10, width: int = 64) -> nn.Sequential:
    """VGG-16 for 32x32 images, batch norm behind each convolution, average pooling; [m, 3, 32, 32] to logits.

    13 convolutions of 3x3 with `width` * (1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 8) channels, 2x2 average pooling behind
    the 2nd, 4th, 7th, 10th and 13th, two hidden fully connected layers of 8 * `width`, and the output. The published
    width is 64.

    Source: Simonyan and Zisserman 2014, configuration D; ECC, Section 4.1.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for stage, (factor, count) in enumerate(((1, 2), (2, 2), (4, 3), (8, 3), (8, 3)), 1):
        for place in range(1, count + 1):
            name = f"{stage}_{place}"
            layers[f"conv{name}"] = nn.Conv2d(channels, factor * width, 3, padding=1, bias=False)
            layers[f"norm{name}"] = nn.BatchNorm2d(factor * width)
            layers[f"relu{name}"] = nn.ReLU()
            channels = factor * width
        layers[f"pool{stage}"] = nn.AvgPool2d(2)
    layers["flatten"] = nn.Flatten()
    for place in (1, 2):
        layers |= {f"fc{place}": nn.Linear(channels, channels), f"relu_fc{place}": nn.ReLU()}
    layers["fc3"] = nn.Linear(channels, classes)
    return nn.Sequential(layers)
