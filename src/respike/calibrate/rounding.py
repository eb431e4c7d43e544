"""The unit of a quantiser with the least squared error, from a histogram of activations."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from respike.calibrate.statistics import ActivationStatistics, _native

_CANDIDATES = torch.logspace(0.05, -4.0, 82, base=2.0, dtype=torch.float64)
"""Tried shares of the largest activation, 5 % apart: what lies above the share saturates."""

_ABOVE = torch.linspace(0.0, 1.0, 17, dtype=torch.float64)[1:]
"""Tried units between the largest of a channel and the largest of its layer, as powers of their ratio."""

_CHANNELS = 32
"""Channels at a time, so that all stays in the cache."""


def largest_units(seen: ActivationStatistics, levels: float) -> Tensor:
    """Units at which the largest activation is the largest of so many values, `max / levels`; one per channel."""
    top = seen.maximum if len(seen.histogram) > 1 else seen.maximum.max().reshape(1)
    return top.double() / levels


def least_squares_units(seen: ActivationStatistics, levels: float, offset: float) -> Tensor:
    """Units `u`, one per channel, that minimise the mean of `(u · clip(floor(x / u + offset), 0, levels) - x)²`.

    That is the very rounding of a neuron that starts at `offset` units: the error of its grid against that of
    saturation. The mean is over the activations that a channel is expected to have (`ActivationStatistics.expected`):
    where few images were seen, partly those of its layer, so that what the next images bring does not saturate.
    Activations are taken as evenly spread within each bin of the histogram, and the integral over a bin is exact.

    Args:
        seen: statistics of the activation, per channel.
        levels: how many values above zero the neuron can send: 2^K - 1 for few spikes, T for one spike a step.
        offset: 0 rounds down, 1/2 to the nearest.
    """
    top = largest_units(seen, levels)
    if not bool((top > 0).any()):
        return top
    top = torch.where(top > 0, top, top.max())
    # Below half of the smallest unit tried, every unit gives zero, so these bins make no difference.
    smallest = top.amin() * _CANDIDATES[-1] * (1 - offset)
    first = max(0, int((seen.edges < smallest).sum()) - 1)
    last = int(seen.histogram.sum(0).nonzero().max()) + 1  # nothing was seen behind
    edges, counts = seen.edges[first : last + 1], replace(seen, histogram=seen.histogram[:, first:last]).expected
    density = counts / (edges[1:] - edges[:-1])
    units = top.unsqueeze(1) * _CANDIDATES
    if len(top) > 1:
        units = torch.cat([top.unsqueeze(1) ** (1 - _ABOVE) * top.max() ** _ABOVE, units], 1)
    if _native is None:
        return _least_squares(edges, density, units, levels, offset)
    best = torch.empty_like(top)
    _native.least_squares(edges, density, units, levels, offset, best)
    return best


def _least_squares(edges: Tensor, density: Tensor, units: Tensor, levels: float, offset: float) -> Tensor:
    """Of `units` `[channels, candidates]` the best of each channel, without the kernels."""
    # The sum over bins of density times the integral's difference, by parts: a weight for each edge.
    weights = pad(density, (1, 0)) - pad(density, (0, 1))
    best = []
    for some, weight in zip(torch.split(units, _CHANNELS), torch.split(weights, _CHANNELS), strict=True):
        errors = torch.stack([_squared_error(edges, unit, weight, levels, offset) for unit in some.T], 1)
        best.append(some.gather(1, errors.argmin(1, keepdim=True)).squeeze(1))
    return torch.cat(best)


def _squared_error(edges: Tensor, unit: Tensor, weights: Tensor, levels: float, offset: float) -> Tensor:
    """The sum over the edges of `weights` times the integral of the quantiser's squared error from 0 to the edge.

    With `q = x / u` in cell n, `-offset ≤ q - n < 1 - offset` where nothing saturates, the integral is
    `u³ · (n · ((1 - offset)³ + offset³) / 3 + (q - n)³ / 3)`.
    """
    unit = unit.clamp(min=torch.finfo(torch.float64).tiny ** 0.25)
    q = edges / unit.unsqueeze(1)
    cell = (q + offset).floor_().clamp_(0, levels)
    inside = q.sub_(cell)
    cubes = inside.square().mul_(inside)
    return unit**3 / 3 * cubes.add_(cell, alpha=(1 - offset) ** 3 + offset**3).mul_(weights).sum(1)
