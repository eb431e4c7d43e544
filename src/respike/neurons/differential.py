"""Differential neurons: what a value is, then by how much it has changed, as signed numbers of a few bits a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from respike.errors import InvalidOption
from respike.ir import Function, Identity, ReLU
from respike.neurons.base import State
from respike.neurons.signed import TracedState, TracingNeuron

MOST_BITS = 8
"""Bits that a neuron may send in a step."""
MOST_WEIGHT = 2**12
"""What a spike may be worth in the first step, in units."""


@dataclass(frozen=True)
class Differential(TracingNeuron):
    """Sends in every step the number of n bits and a sign that brings what it has sent nearest to its input so far.

    In step t that number counts in `w = weights[t]` units, and in the last weight's in all steps behind. With the unit
    `u`, the site's threshold, and what was sent so far, S, in units of it:

        s = w · clip(floor((v / u + (w - 1) / 2) / w), -(2^n - 1), 2^n - 1);   v ← v - u s;   S ← S + s

    and no more than keeps `least_total ≤ S ≤ most_total`. An initial potential of half a unit makes every step round to
    the nearest. A value that has been sent and does not change needs no further spikes but those that make it finer.
    Without bounds it sends a value of either sign, from an edge that no activation stands on; with `least_total=0` it
    is a ReLU. With `bits=1` and `weights=(1,)` it is an integrate-and-fire neuron of both signs.

    A step's number is sent as the digits of its non-adjacent form, spikes that are worth `± 2^i w`: 7 is 8 - 1, two
    spikes. No code of signed powers of two has fewer.

    *Paper* (Huang et al. 2025): a spike of step t is worth `λ / (2^i t)`, and a step has one of them. *As built*: all
    digits of a step; in the place of `1 / t` powers of two that fall, so that all that is sent is whole units.

    Args:
        bits: n, 1 to 8.
        weights: powers of two, which do not rise.
        least_total: the smallest sum of what is sent: 0, or None where there is no bound.
        most_total: the largest one, above zero; None where there is no bound.
    """

    bits: int = 4
    weights: tuple[int, ...] = (4, 2, 1)
    least_total: int | None = None
    most_total: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MOST_BITS:
            raise InvalidOption(f"a differential neuron sends 1 to {MOST_BITS} bits in a step, not {self.bits}")
        falling = all(before >= after for before, after in zip(self.weights, self.weights[1:], strict=False))
        powers = all(1 <= weight <= MOST_WEIGHT and weight.bit_count() == 1 for weight in self.weights)
        if not (self.weights and falling and powers):
            raise InvalidOption(
                f"differential neurons have weights that are powers of two up to {MOST_WEIGHT} and do not rise, such "
                f"as (4, 2, 1), not {self.weights}"
            )
        if self.least_total not in (None, 0) or (self.most_total is not None and self.most_total < 1):
            raise InvalidOption(
                "what a differential neuron sends in all is bounded by 0 below and by 1 or more above, or not at all; "
                f"got least_total={self.least_total}, most_total={self.most_total}"
            )

    @property
    def most(self) -> int:
        """All bits of the first step."""
        return ((1 << self.bits) - 1) * self.weights[0]

    def most_in(self, steps: int) -> float:
        """All bits of so many steps."""
        weights = sum(self.weights[min(step, len(self.weights) - 1)] for step in range(steps))
        return float(((1 << self.bits) - 1) * weights)

    @property
    def most_in_all(self) -> int | None:
        """As given."""
        return self.most_total

    @property
    def computes(self) -> Function:
        """A ReLU where the sum cannot fall below zero; else the identity."""
        return Identity() if self.least_total is None else ReLU()

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """The number that brings what was sent nearest to the input so far."""
        assert isinstance(state, TracedState)
        weight, potential = self.weights[min(state.step, len(self.weights) - 1)], state.potential
        most = (1 << self.bits) - 1
        numbers = ((potential / threshold + (weight - 1) / 2) / weight).floor().clamp(-most, most)
        if self.least_total is not None:
            numbers = numbers.maximum(-(state.total / weight).floor())
        if self.most_total is not None:
            numbers = numbers.minimum(((self.most_total - state.total) / weight).floor())
        amplitudes = weight * numbers
        return state.sent(potential - threshold * amplitudes, amplitudes), amplitudes

    def spikes_sent(self, amplitudes: Tensor) -> Tensor:
        """The digits of an amplitude's non-adjacent form that are not 0."""
        whole = amplitudes.abs().to(torch.int32).flatten()
        return self._digits.to(amplitudes.device).index_select(0, whole).reshape(amplitudes.shape)

    @cached_property
    def _digits(self) -> Tensor:
        """Those of each amplitude `a` from 0 to the largest: the bits in which `a` and `3 a` differ."""
        whole = torch.arange(self.most + 1, dtype=torch.int32)
        digits = whole ^ (3 * whole)
        return sum((digits >> place & 1 for place in range(1, self.most.bit_length() + 2)), torch.zeros_like(digits))

    def describe(self) -> str:
        """Differential neurons."""
        return "differential neurons"
