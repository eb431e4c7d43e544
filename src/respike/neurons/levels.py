"""Few-spikes neurons with any number of levels: the activations of quantised networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from respike.errors import InvalidOption
from respike.neurons.few_spikes import MOST_STEPS, Coefficients, SequenceNeuron


@dataclass(frozen=True)
class LevelSpikes(SequenceNeuron):
    """Delivers `unit · clip(floor(x / unit), 0, L)` in K = ⌊log2 L⌋ + 1 steps, for any number L of levels.

    The site's threshold is the unit. The worth of the steps halves what is left, rounded up: for L = 8 it is 4, 2, 1
    and 1, for L = 5 it is 3, 1 and 1. In step t, with the worth `w`:

        z = v ≥ u · w;   v ← v - u · w · z;   delivered ← delivered + u · w · z

    A value below w is at most what the later steps can deliver, and what exceeds it by a spike's worth is too, so every
    level from 0 to L is met exactly. With L = 2^K - 1 it is `FewSpikes(K)`, whose largest value no other L can have.

    *Source*: our own; the code is few-spikes' (Stöckl and Maass 2020), for activations that were trained with L levels.

    Args:
        levels: L, 1 at least.
    """

    levels: int

    def __post_init__(self) -> None:
        if not 1 <= self.levels < 2**MOST_STEPS:
            raise InvalidOption(f"a neuron has 1 to {2**MOST_STEPS - 1:,} levels, not {self.levels}")

    @cached_property
    def coefficients(self) -> Coefficients:
        """Halves of what is left, rounded up, until nothing is."""
        worth, left = [], self.levels
        while left:
            worth.append((left + 1) // 2)
            left -= worth[-1]
        powers = tuple(map(float, worth))
        return Coefficients(powers, powers, powers)
