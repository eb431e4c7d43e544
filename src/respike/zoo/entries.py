"""The networks that respike ships, with the recipe that trained each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from math import cos, pi

from torch import nn

from respike.errors import InvalidOption, UnknownName
from respike.zoo.losses import Loss
from respike.zoo.networks import diehl_cnn, fit_cnn, perceptron
from respike.zoo.quantised import QCFS
from respike.zoo.recurrent import row_gru, row_lstm, row_rnn
from respike.zoo.residual import cifar_resnet
from respike.zoo.transformers import cifar_convnext, cifar_vit, fashion_vit, jargon_gpt
from respike.zoo.vgg import vgg16


class Descent(StrEnum):
    """How a step follows from the gradient."""

    ADAM = "adam"
    """Adam with decoupled weight decay."""
    NESTEROV = "nesterov"
    """Stochastic gradient descent with Nesterov's momentum of 0.9; weight decay is part of the gradient."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, with one cycle of the learning rate.

    Args:
        epochs: passes over the training images.
        batch_size: images in one step.
        peak: the largest learning rate.
        warmup: the share of the steps in which the rate rises to it, in [0, 1).
        weight_decay: per step, times the learning rate.
        seed: the default seed.
        descent: how a step follows from the gradient.
        shift: every image is moved by up to so many pixels in each direction, anew in each epoch, zeros coming in.
        flip: half of the images are mirrored.
        label_smoothing: the share of each label that is spread evenly over all classes, in [0, 1).
        averaged_epochs: the weights that are kept are the mean of those after every step of so many last epochs
            (Izmailov et al. 2018), with the statistics of batch norms measured anew; 0 keeps the weights of the last
            step.
        start: the network of the zoo from whose trained weights the training starts, instead of random ones, with its
            batch norms folded; biases that only that one has fade within the first third of the training.
        teacher: the network of the zoo whose outputs are learnt beside the labels (`zoo.losses.taught`).
        loss: how far outputs are from labels.

    Raises:
        InvalidOption: a number out of its range.
    """

    epochs: int
    batch_size: int = 100
    peak: float = 2e-3
    warmup: float = 0.2
    weight_decay: float = 0.0
    seed: int = 1
    descent: Descent = Descent.ADAM
    shift: int = 0
    flip: bool = False
    label_smoothing: float = 0.0
    averaged_epochs: int = 0
    start: str = ""
    teacher: str = ""
    loss: Loss = Loss.CROSS_ENTROPY

    def __post_init__(self) -> None:
        """Checks the ranges; raises InvalidOption."""
        counts = self.epochs >= 1 and self.batch_size >= 1 and self.shift >= 0 and self.averaged_epochs >= 0
        shares = 0 <= self.warmup < 1 and 0 <= self.label_smoothing < 1
        if not (counts and shares and self.peak > 0):
            raise InvalidOption(f"no training can follow {self}")

    def learning_rate(self, progress: float) -> float:
        """The rate where a share `progress` in [0, 1] of all steps is done: it rises from 4 %, then falls to 0."""
        if progress < self.warmup:
            return self.peak * (0.04 + 0.96 * progress / self.warmup)
        return self.peak * (1 + cos(pi * (progress - self.warmup) / (1 - self.warmup))) / 2


@dataclass(frozen=True)
class Entry:
    """A network of the zoo: how to build it, on what and how it is trained, and which paper it comes from.

    Args:
        name: of the network.
        build: makes it, untrained.
        input_shape: (channels, height, width) of one image in [0, 1].
        dataset: a name of `respike.data`.
        recipe: how it is trained.
        paper: where it comes from.
        description: its architecture in a few words.
    """

    name: str
    build: Callable[[], nn.Module]
    input_shape: tuple[int, int, int]
    dataset: str
    recipe: Recipe
    paper: str
    description: str


_GREY = (1, 28, 28)
_COLOUR = (3, 32, 32)
_DIEHL = "Diehl et al. 2015 (replication)"
_MLP_RECIPE = Recipe(50, batch_size=200, peak=1.5e-3)
_CIFAR_RECIPE = Recipe(
    60,
    batch_size=256,
    peak=0.4,
    weight_decay=5e-4,
    descent=Descent.NESTEROV,
    shift=4,
    flip=True,
    averaged_epochs=4,
)
_VGG_RECIPE = replace(_CIFAR_RECIPE, epochs=55, peak=0.1)
_FEW_SPIKES = "FS conversion"
_TOKEN_RECIPE = Recipe(
    60, batch_size=256, peak=2e-3, warmup=0.1, weight_decay=0.05, shift=4, flip=True, label_smoothing=0.1
)
_TOKENS = "Vision transformer (replication)"
_QCFS = "QCFS"

ENTRIES: tuple[Entry, ...] = (
    Entry("mnist-cnn", fit_cnn, _GREY, "mnist", Recipe(60), "FIT", "16c5-2s-16c5-2s-10 on MNIST"),
    Entry("mnist-mlp", perceptron, _GREY, "mnist", _MLP_RECIPE, "FIT", "784-1200-1200-10 on MNIST"),
    *(
        Entry(
            f"mnist-{kind}-squared",
            build,
            _GREY,
            "mnist",
            replace(recipe, loss=Loss.SQUARED_ERROR),
            "FIT",
            f"{form} on MNIST, trained by the squared error",
        )
        for kind, build, recipe, form in (
            ("mlp", perceptron, replace(_MLP_RECIPE, epochs=14), "784-1200-1200-10"),
            ("cnn", fit_cnn, Recipe(12), "16c5-2s-16c5-2s-10"),
        )
    ),
    Entry("mnist-cnn-diehl", diehl_cnn, _GREY, "mnist", Recipe(40), _DIEHL, "12c5-2s-64c5-2s-10 on MNIST"),
    Entry("fashion-cnn", fit_cnn, _GREY, "fashion-mnist", Recipe(40), "FIT", "16c5-2s-16c5-2s-10 on Fashion-MNIST"),
    Entry(
        "fashion-mlp",
        perceptron,
        _GREY,
        "fashion-mnist",
        replace(_MLP_RECIPE, epochs=25),
        "FIT",
        "784-1200-1200-10 on Fashion-MNIST",
    ),
    Entry(
        "fashion-cnn-diehl",
        diehl_cnn,
        _GREY,
        "fashion-mnist",
        Recipe(30),
        _DIEHL,
        "12c5-2s-64c5-2s-10 on Fashion-MNIST",
    ),
    *(
        Entry(
            f"cifar10-resnet{depth}",
            partial(cifar_resnet, depth, input_norm=True),
            _COLOUR,
            "cifar10",
            recipe,
            _FEW_SPIKES,
            f"ResNet-{depth} on CIFAR-10",
        )
        for depth, recipe in (
            (8, replace(_CIFAR_RECIPE, epochs=40, weight_decay=2e-4, teacher="cifar10-resnet14")),
            (14, replace(_CIFAR_RECIPE, epochs=59)),
            (20, replace(_CIFAR_RECIPE, epochs=57)),
            (50, _CIFAR_RECIPE),
        )
    ),
    *(
        Entry(
            f"{dataset}-vgg16{suffix}",
            partial(vgg16, classes=classes, width=width, batch_norm=batch_norm),
            _COLOUR,
            dataset,
            recipe,
            "ECC",
            f"{name} on {title}",
        )
        for dataset, title, classes in (("cifar10", "CIFAR-10", 10), ("cifar100", "CIFAR-100", 100))
        for suffix, name, width, batch_norm, recipe in (
            ("", "VGG-16 with batch norm and average pooling", 64, True, replace(_VGG_RECIPE, epochs=100)),
            ("-half", "VGG-16 of half width with batch norm and average pooling", 32, True, _VGG_RECIPE),
            (
                "-half-plain",
                "VGG-16 of half width without batch norm and biases",
                32,
                False,
                replace(_VGG_RECIPE, epochs=8, peak=0.01, averaged_epochs=2, start=f"{dataset}-vgg16-half"),
            ),
        )
    ),
    *(
        Entry(
            f"mnist-rows-{kind}", build, _GREY, "mnist", Recipe(15), _FEW_SPIKES, f"{description}, row by row, on MNIST"
        )
        for kind, build, description in (
            ("rnn", row_rnn, "RNN of 128 neurons with ReLU"),
            ("gru", row_gru, "GRU of 64 units"),
            ("lstm", row_lstm, "LSTM of 64 cells"),
        )
    ),
    Entry(
        "fashion-vit",
        fashion_vit,
        _GREY,
        "fashion-mnist",
        replace(_TOKEN_RECIPE, epochs=40, shift=2),
        _TOKENS,
        "vision transformer of 4 blocks of width 64 on Fashion-MNIST",
    ),
    Entry(
        "cifar10-vit",
        cifar_vit,
        _COLOUR,
        "cifar10",
        replace(_TOKEN_RECIPE, epochs=61),
        _TOKENS,
        "vision transformer of 6 blocks of width 128 behind 3 convolutions on CIFAR-10",
    ),
    Entry(
        "cifar10-convnext",
        cifar_convnext,
        _COLOUR,
        "cifar10",
        _TOKEN_RECIPE,
        "ConvNeXt (replication)",
        "ConvNeXt of 2 blocks of 64 and 4 of 128 channels on CIFAR-10",
    ),
    Entry(
        "jargon-gpt",
        jargon_gpt,
        (1, 64, 69),
        "jargon",
        Recipe(12, batch_size=32, peak=2e-3, warmup=0.1, weight_decay=0.05),
        "GPT-2 (replication)",
        "language model of 3 causal blocks of width 64 on the characters of the Jargon File",
    ),
    *(
        Entry(
            f"mnist-cnn-qcfs{levels}",
            partial(fit_cnn, partial(QCFS, levels, 1.0)),
            _GREY,
            "mnist",
            Recipe(20),
            _QCFS,
            f"16c5-2s-16c5-2s-10 with activations of {levels} levels on MNIST",
        )
        for levels in (4, 8)
    ),
    *(
        Entry(
            f"cifar10-resnet20-qcfs{levels}",
            partial(cifar_resnet, 20, input_norm=True, activation=partial(QCFS, levels)),
            _COLOUR,
            "cifar10",
            replace(_CIFAR_RECIPE, peak=0.2, epochs=epochs),
            _QCFS,
            f"ResNet-20 with activations of {levels} levels on CIFAR-10",
        )
        for levels, epochs in ((4, 49), (8, 51))
    ),
)
"""Every network of the zoo."""


def find(name: str) -> Entry:
    """The entry of that name; raises UnknownName with the nearest match."""
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    raise UnknownName("network", name, (entry.name for entry in ENTRIES))
