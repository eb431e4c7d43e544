"""VGG-16 of the ECC paper."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def vgg16(classes: int = 10, width: int = 64, *, batch_norm: bool = True) -> nn.Sequential:
    """VGG-16 for 32x32 images with average pooling; [m, 3, 32, 32] to logits [m, classes].

    13 convolutions of 3x3 with `width` * (1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 8) channels, 2x2 average pooling behind
    the 2nd, 4th, 7th, 10th and 13th, one hidden fully connected layer of 512, and the output. Dropout of 0.5 in front
    of both fully connected layers acts in training only. The published width is 64.

    A batch norm without factors stands in front, so that pixels are standardised. batch_norm: others behind each
    convolution and the hidden layer. Without them the network has no biases either, apart from those of the pixels'
    means: the form that RMP is compared on.

    Source: Simonyan and Zisserman 2014, configuration D, as the ECC paper uses it (Section 4.1).
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(input_norm=nn.BatchNorm2d(3, affine=False))
    channels = 3
    for stage, (factor, count) in enumerate(((1, 2), (2, 2), (4, 3), (8, 3), (8, 3)), 1):
        for place in range(1, count + 1):
            name = f"{stage}_{place}"
            layers[f"conv{name}"] = _started(nn.Conv2d(channels, factor * width, 3, padding=1, bias=False))
            if batch_norm:
                layers[f"norm{name}"] = nn.BatchNorm2d(factor * width)
            layers[f"relu{name}"] = nn.ReLU()
            channels = factor * width
        layers[f"pool{stage}"] = nn.AvgPool2d(2)
    layers |= {"flatten": nn.Flatten(), "drop1": nn.Dropout(0.5)}
    layers["fc1"] = _started(nn.Linear(channels, _HIDDEN, bias=False))
    if batch_norm:
        layers["norm_fc1"] = nn.BatchNorm1d(_HIDDEN)
    layers |= {"relu_fc1": nn.ReLU(), "drop2": nn.Dropout(0.5), "fc2": nn.Linear(_HIDDEN, classes, bias=batch_norm)}
    return nn.Sequential(layers)


_HIDDEN = 512


def _started(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    """With He's initialisation, which keeps the size of signals through layers of ReLUs."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return layer
