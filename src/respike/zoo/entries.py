"""The networks that respike ships, with the recipe that trained each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import cos, pi

from torch import nn

from respike.errors import InvalidOption, UnknownName
from respike.zoo.networks import diehl_cnn, fit_cnn, perceptron


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: Adam with decoupled weight decay, cross entropy, one cycle of the learning rate.

    Images are taken as they are, without augmentation.

    peak: the largest learning rate. warmup: the share of the steps in which the rate rises to it, in [0, 1).
    weight_decay: per step, times the learning rate. seed: the default seed.
    """

    epochs: int
    batch_size: int = 100
    peak: float = 2e-3
    warmup: float = 0.2
    weight_decay: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        """Checks the ranges; raises InvalidOption."""
        if self.epochs < 1 or self.batch_size < 1 or not self.peak > 0 or not 0 <= self.warmup < 1:
            raise InvalidOption(f"no training can follow {self}")

    def learning_rate(self, progress: float) -> float:
        """The rate where a share `progress` in [0, 1] of all steps is done: it rises from 4 %, then falls to 0."""
        if progress < self.warmup:
            return self.peak * (0.04 + 0.96 * progress / self.warmup)
        return self.peak * (1 + cos(pi * (progress - self.warmup) / (1 - self.warmup))) / 2


@dataclass(frozen=True)
class Entry:
    """A network of the zoo: how to build it, on what and how it is trained, and which paper it comes from.

    input_shape: (channels, height, width) of one image in [0, 1]. dataset: a name of `respike.data`.
    """

    name: str
    build: Callable[[], nn.Module]
    input_shape: tuple[int, int, int]
    dataset: str
    recipe: Recipe
    paper: str
    description: str


_GREY = (1, 28, 28)
_DIEHL = "Diehl et al. 2015 (replication)"
_MLP_RECIPE = Recipe(50, batch_size=200, peak=1.5e-3)

ENTRIES: tuple[Entry, ...] = (
    Entry("mnist-cnn", fit_cnn, _GREY, "mnist", Recipe(60), "FIT", "16c5-2s-16c5-2s-10 on MNIST"),
    Entry("mnist-mlp", perceptron, _GREY, "mnist", _MLP_RECIPE, "FIT", "784-1200-1200-10 on MNIST"),
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
)
"""Every network of the zoo."""


def find(name: str) -> Entry:
    """The entry of that name; raises UnknownName with the nearest match."""
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    raise UnknownName("network", name, (entry.name for entry in ENTRIES))
