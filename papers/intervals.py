"""Measured numbers with their 95 % confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import torch
from torch import Tensor

from respike import wilson
from respike.intervals import Z


@dataclass(frozen=True)
class Estimate:
    """A measured number and its 95 % confidence interval; what is counted or proven has `low == value == high`."""

    value: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Estimate:
        """A number in which there is no chance."""
        return cls(value, value, value)

    @classmethod
    def unknown(cls) -> Estimate:
        """What was not measured."""
        return cls(0.0, -inf, inf)


def accuracy(share: float, images: int) -> Estimate:
    """An accuracy in per cent from a share of images that are right: Wilson's interval (Wilson 1927)."""
    low, high = wilson(share, images)
    return Estimate(100 * share, 100 * low, 100 * high)


def apart(first: float, second: float, first_images: int, second_images: int) -> Estimate:
    """`first` minus `second`, accuracies on independent images, in points: Newcombe 1998, method 10."""
    one, other = accuracy(first, first_images), accuracy(second, second_images)
    value = one.value - other.value
    below = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    above = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Estimate(value, value - below, value + above)


def paired(first: Tensor, second: Tensor) -> Estimate:
    """Mean of `first` minus mean of `second`, in points; both hold one number in [0, 1] per image, of the same images.

    The interval is that of Agresti and Min 2005 for the difference of two paired proportions, which adds half an image
    to each of the four cells of the table: so it has a width where no decision differs. For numbers between 0 and 1
    (the share of steps at which an image is right) it is the same formula.
    """
    difference = first.double() - second.double()
    images = len(difference) + 2
    centre = float(difference.sum()) / images
    half = Z * sqrt(max(float(difference.square().sum()) + 1 - images * centre**2, 0.0)) / images
    value = float(difference.mean())
    return Estimate(100 * value, 100 * min(centre - half, value), 100 * max(centre + half, value))


def mean(values: Tensor) -> Estimate:
    """The mean of one number per image: normal interval."""
    half = Z * float(values.double().std()) / sqrt(len(values)) if len(values) > 1 else inf
    value = float(values.double().mean())
    return Estimate(value, value - half, value + half)


def ratio(first: Tensor, second: Tensor, seed: int = 0) -> Estimate:
    """The mean of `first` over that of `second`, one number per image of the same images.

    Percentile interval of a paired bootstrap with 2,000 draws (Efron 1979).
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(first), (2000, len(first)), generator=generator)
    ratios = first.double()[chosen].mean(1) / second.double()[chosen].mean(1)
    low, high = torch.quantile(ratios, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Estimate(float(first.double().mean() / second.double().mean()), low, high)
