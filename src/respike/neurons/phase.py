"""Phase neurons: spikes that are worth what the phase of a clock says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from respike.errors import InvalidOption
from respike.neurons.few_spikes import MOST_STEPS, Coefficients, SequenceNeuron


@dataclass(frozen=True)
class PhaseCoded(SequenceNeuron):
    """Spikes weighted by the phase of a clock that all neurons share, over one or more periods (Kim et al. 2018).

    In step t = 0, 1, … of a window of `periods · phases` steps, with the unit `u`, the site's threshold:

        w = 2^(phases - 1 - t mod phases);   z = v ≥ u · w;   v ← v - u · w · z;   delivered ← delivered + u · w · z

    The largest value is `periods · (2^phases - 1)` units: a second period sends what was too much for the first. With
    one period it is `FewSpikes(phases)`.

    *Paper*: `w = 2^-(1 + t mod phases)` times a threshold; neurons fire while their input still comes. *As built*: the
    same powers of two in units of the smallest; each layer collects its whole input first, so that no value depends on
    when the spikes of the layer before arrive.

    Args:
        phases: steps of a period, whose spikes halve in worth.
        periods: how many periods the window has.
    """

    phases: int = 8
    periods: int = 1

    def __post_init__(self) -> None:
        if self.phases < 1 or self.periods < 1 or self.phases * self.periods > MOST_STEPS:
            raise InvalidOption(
                f"a phase neuron has 1 phase and 1 period at least and {MOST_STEPS} steps at most, got "
                f"phases={self.phases}, periods={self.periods}"
            )

    @cached_property
    def coefficients(self) -> Coefficients:
        """The powers of two of a period, for every period."""
        powers = tuple(2.0**place for place in reversed(range(self.phases))) * self.periods
        return Coefficients(powers, powers, powers)

    def describe(self) -> str:
        """Phase neurons."""
        return "phase neurons"
