"""Schedules: for how many steps a network runs, and when its input and its biases are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from respike.errors import InvalidOption


@dataclass(frozen=True)
class Phase:
    """`steps` time steps in which nothing is switched on or off."""

    steps: int
    input_on: bool
    bias_on: bool


@dataclass(frozen=True)
class Steady:
    """Input and biases on for `steps` time steps."""

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InvalidOption(f"steps must be at least 1, got {self.steps}")

    @property
    def input_steps(self) -> int:
        """The steps in which the input is on."""
        return self.steps

    @property
    def phases(self) -> tuple[Phase, ...]:
        """One phase."""
        return (Phase(self.steps, input_on=True, bias_on=True),)


@dataclass(frozen=True)
class InputThenDrain:
    """FIT: input for `input_steps` (T1), then `drain_steps` (T2) without input, in which stored spikes are sent.

    Biases and extra currents are currents and stop with the input, unless `bias_while_draining`. FIT does not say
    (its networks have no biases); a bias that flowed on would add what the network never computed.
    """

    input_steps: int
    drain_steps: int
    bias_while_draining: bool = False

    def __post_init__(self) -> None:
        if self.input_steps < 1:
            raise InvalidOption(f"input_steps must be at least 1, got {self.input_steps}")
        if self.drain_steps < 0:
            raise InvalidOption(f"drain_steps must be at least 0, got {self.drain_steps}")

    @property
    def steps(self) -> int:
        """All steps: T1 + T2."""
        return self.input_steps + self.drain_steps

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The input phase and, where it has steps, the draining phase."""
        phases = (
            Phase(self.input_steps, input_on=True, bias_on=True),
            Phase(self.drain_steps, input_on=False, bias_on=self.bias_while_draining),
        )
        return tuple(phase for phase in phases if phase.steps)


Schedule: TypeAlias = Steady | InputThenDrain
