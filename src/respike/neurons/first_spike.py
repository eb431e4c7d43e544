"""Time-to-first-spike neurons: one spike at the most, which is worth more the sooner it comes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from respike.errors import InvalidOption
from respike.neurons.base import State
from respike.neurons.signed import TracedState, TracingNeuron

MOST_BITS = 8
"""Bits that the time of a spike may stand for: a window has 2^bits steps."""


@dataclass(frozen=True)
class TimeToFirstSpike(TracingNeuron):
    """At most one spike a neuron, whose time is the value (Rueckauer and Liu 2018), in a window of N = 2^bits steps.

    A threshold falls linearly, from N units to one. With the unit `u`, the site's threshold, in step t = 1 … N

        s = 1 where v ≥ u · (N + 1 - t) and nothing was sent;   v ← v - u · (N + 1 - t) · s

    and the spike delivers `u · (N + 1 - t)`. So it delivers `u · clip(floor(x / u), 0, N)`; what is below one unit
    stays silent. An initial potential of half a unit makes it round to the nearest.

    *Paper*: the spike's current flows on until the end of the window, so that it is worth the time that is left; input
    still comes in the window, and neurons may fire too early. *As built*: in discrete steps, a spike that is worth the
    steps left when it comes; each layer collects its whole input first.

    Args:
        bits: of the value, 1 to 8.
    """

    bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MOST_BITS:
            raise InvalidOption(f"a time-to-first-spike neuron has 1 to {MOST_BITS} bits, not {self.bits}")

    @property
    def signed(self) -> bool:
        """It is not."""
        return False

    @property
    def worth(self) -> tuple[float, ...]:
        """How many steps are left, this one too."""
        return tuple(float(left) for left in range(2**self.bits, 0, -1))

    @property
    def largest(self) -> float:
        """That of a spike in the first step."""
        return 2.0**self.bits

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """The first time that the potential reaches the falling threshold."""
        assert isinstance(state, TracedState)
        level = threshold * float(2**self.bits - state.step)
        spikes = ((state.potential >= level) & (state.total == 0)).to(state.potential.dtype)
        return state.sent(state.potential - level * spikes, spikes), spikes

    def describe(self) -> str:
        """Time-to-first-spike neurons."""
        return "time-to-first-spike neurons"

    def finer(self, more: int) -> TimeToFirstSpike | None:
        """With more bits; None beyond 8."""
        return replace(self, bits=self.bits + more) if self.bits + more <= MOST_BITS else None
