"""The architectures of the papers, as plain torch modules. All are without biases, as the papers' are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import nn


def perceptron() -> nn.Sequential:
    """784-1200-1200-10 with ReLU; [n, 1, 28, 28] to [n, 10] logits.

    Source: Diehl et al. 2015, taken over by FIT. Dropout (0.2 on the input, 0.5 behind) acts in training only.
    """
    return _named(
        flatten=nn.Flatten(),
        drop0=nn.Dropout(0.2),
        fc1=nn.Linear(784, 1200, bias=False),
        relu1=nn.ReLU(),
        drop1=nn.Dropout(0.5),
        fc2=nn.Linear(1200, 1200, bias=False),
        relu2=nn.ReLU(),
        drop2=nn.Dropout(0.5),
        fc3=nn.Linear(1200, 10, bias=False),
    )


def fit_cnn(activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """28x28-16c5-2s-16c5-2s-10, average pooling behind each ReLU; [n, 1, 28, 28] to [n, 10] logits.

    Source: FIT. Convolutions are 5x5 without padding, pooling is 2x2. Dropout acts in training only. `activation` makes
    what stands in the place of a ReLU, each with parameters of its own, such as `zoo.quantised.QCFS`.
    """
    return _named(
        conv1=nn.Conv2d(1, 16, 5, bias=False),
        relu1=activation(),
        pool1=nn.AvgPool2d(2),
        conv2=nn.Conv2d(16, 16, 5, bias=False),
        relu2=activation(),
        pool2=nn.AvgPool2d(2),
        flatten=nn.Flatten(),
        drop=nn.Dropout(0.2),
        fc=nn.Linear(256, 10, bias=False),
    )


def diehl_cnn() -> nn.Sequential:
    """28x28-12c5-2s-64c5-2s-10, average pooling *before* each ReLU; [n, 1, 28, 28] to [n, 10] logits.

    Source: Diehl et al. 2015, in the order of layers of its replication. Dropout acts in training only.
    """
    return _named(
        conv1=nn.Conv2d(1, 12, 5, bias=False),
        pool1=nn.AvgPool2d(2),
        relu1=nn.ReLU(),
        drop1=nn.Dropout(0.1),
        conv2=nn.Conv2d(12, 64, 5, bias=False),
        pool2=nn.AvgPool2d(2),
        relu2=nn.ReLU(),
        flatten=nn.Flatten(),
        drop2=nn.Dropout(0.5),
        fc=nn.Linear(1024, 10, bias=False),
    )


def _named(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))
