"""The unit of a K-bit quantiser with the least squared error, from a histogram of activations."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.calibrate.statistics import ActivationStatistics

_CANDIDATES = torch.logspace(0.05, -4.0, 82, base=2.0, dtype=torch.float64)
"""Tried shares of the largest activation, 5 % apart: what lies above the share saturates."""


def largest_units(seen: ActivationStatistics, steps: int) -> Tensor:
    """Units at which the largest activation is the largest value of K bits, `max / (2^K - 1)`; one per channel."""
    top = seen.maximum if len(seen.histogram) > 1 else seen.maximum.max().reshape(1)
    return top.double() / (2.0**steps - 1)


def least_squares_units(seen: ActivationStatistics, steps: int, offset: float) -> Tensor:
    """Units `u`, one per channel, that minimise the mean of `(u · clip(floor(x / u + offset), 0, 2^K - 1) - x)²`.

    That is the very rounding of a few-spikes neuron whose initial potential is `offset · u`: the error of its grid
    against that of saturation. Activations are taken as evenly spread within each bin of the histogram, and the
    integral over a bin is exact. offset: 0 rounds down, 1/2 to the nearest.
    """
    top = largest_units(seen, steps)
    # Below half of the smallest unit tried, every unit gives zero, so these bins make no difference.
    smallest = top[top > 0].amin() * _CANDIDATES[-1] * (1 - offset) if bool((top > 0).any()) else 0.0
    first = max(0, int((seen.edges < smallest).sum()) - 1)
    edges, counts = seen.edges[first:], seen.histogram[:, first:].double()
    density = counts / (edges[1:] - edges[:-1])
    best, least = top.clone(), torch.full_like(top, torch.inf)
    for share in _CANDIDATES:
        units = top * share
        integrals = _squared_error(edges, units.unsqueeze(1), steps, offset)
        error = (density * integrals.diff(dim=1)).sum(1)
        best, least = torch.where(error < least, units, best), torch.minimum(error, least)
    return best


def _squared_error(x: Tensor, unit: Tensor, steps: int, offset: float) -> Tensor:
    """The integral of the quantiser's squared error from 0 to x."""
    unit = unit.clamp(min=torch.finfo(torch.float64).tiny ** 0.25)
    last = 2.0**steps - 1
    cell = (x / unit + offset).floor().clamp(0, last)
    start = (cell - offset) * unit  # cell n holds the inputs from (n - offset) u on, and gives n u
    whole = cell * unit**3 * ((1 - offset) ** 3 + offset**3) / 3
    first = unit**3 * offset**3 / 3  # what lies below 0 of the first cell does not count
    inside = ((x - cell * unit) ** 3 - (start - cell * unit) ** 3) / 3
    return whole - first + inside
