"""Digits fitted to values of either sign: what K spikes are worth, and from where on they are sent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.neurons import FittedDigits

_STARTS = (2.0, 2.3, 2.6, 3.0)
"""By how much a digit is worth more than the next one, before the search."""
_TOP = 0.999
"""The share of the values that the digits of a start reach."""
_STEP, _LAST_STEP = 1.25, 1.01
"""Numbers are multiplied by so much in the search, at first and at last."""


@dataclass(frozen=True, eq=False)
class Spread:
    """How values are spread over bins, and what their errors do.

    Args:
        values: the mean value of each bin, `[bins]`.
        counts: how many values of a sample are in it.
        squares: `[bins, bins]`; errors e of the bins' values make the squared error `eᵀ · squares · e`.
    """

    values: Tensor
    counts: Tensor
    squares: Tensor


@torch.no_grad()
def fit_digits(
    spread: Spread, steps: int, *, price: float, starts: Sequence[FittedDigits] = ()
) -> tuple[FittedDigits, float, float]:
    """The digits with the least `squared error + price · spikes`.

    The search changes one number at a time, or the threshold and the worth of a digit together, or all of them: always
    the change that gains most, by smaller and smaller factors.

    Args:
        spread: of what is to be sent, in units.
        steps: K, how many digits there are.
        price: of a spike.
        starts: where to begin; digits that are worth 2 to 3 times the next one unless given.

    Returns:
        The neuron, the squared error, and the number of spikes for a sample.
    """
    moves = _moves(steps).to(spread.values)
    found = []
    for numbers in [_numbers(start).to(spread.values) for start in starts] or _starts(spread, steps):
        factor, now = _STEP, float(_costs(numbers[None], spread, price)[0])
        while factor > _LAST_STEP:
            tried = numbers + math.log(factor) * moves
            costs = _costs(tried, spread, price)
            best = int(costs.argmin())
            if float(costs[best]) < now:
                numbers, now = tried[best], float(costs[best])
            else:
                factor = factor**0.5
        found.append((now, numbers))
    _, numbers = min(found, key=lambda each: each[0])
    thresholds, worth = (tuple(part.exp().tolist()) for part in numbers.chunk(2))
    error, spikes = (float(part) for part in _sent(numbers[None], spread))
    return FittedDigits(thresholds, worth), error, spikes


def _moves(steps: int) -> Tensor:
    """Changes of the logarithms of T and h, a row each."""
    one = torch.eye(2 * steps)
    moves = torch.cat([one, one[:steps] + one[steps:], one.sum(0, keepdim=True)])
    return torch.cat([moves, -moves])


def _numbers(neuron: FittedDigits) -> Tensor:
    return torch.tensor([*neuron.thresholds, *neuron.values]).log()


def _starts(spread: Spread, steps: int) -> list[Tensor]:
    sizes, order = spread.values.abs().sort()
    share = spread.counts[order].cumsum(0) / spread.counts.sum()
    top = sizes[int((share >= _TOP).nonzero()[0])].clamp(min=torch.finfo(sizes.dtype).tiny)
    starts = []
    for ratio in _STARTS:
        worth = ratio ** -torch.arange(steps, dtype=sizes.dtype)
        worth = worth * top / worth.sum()
        starts.append(torch.cat([0.6 * worth, worth]).log())
    return starts


def _costs(rows: Tensor, spread: Spread, price: float) -> Tensor:
    error, spikes = _sent(rows, spread)
    return error + price * spikes


def _sent(rows: Tensor, spread: Spread) -> tuple[Tensor, Tensor]:
    """The squared error and the spikes of a sample, for rows of logarithms of T and h."""
    thresholds, worth = rows.exp().chunk(2, 1)
    left = spread.values.expand(len(rows), -1).clone()
    spikes = torch.zeros_like(left)
    for bound, each in zip(thresholds.T, worth.T, strict=True):
        fired = (left.abs() >= bound[:, None]).to(left.dtype)
        left -= each[:, None] * fired * left.sign()
        spikes += fired
    return ((left @ spread.squares) * left).sum(1), spikes @ spread.counts
