"""Schedules: for how many steps a network runs, and when its input and its biases are on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from respike.bounds import MOST_STEPS, Bounds

STEPS = Bounds(1, MOST_STEPS, whole=True)
"""Time steps of a schedule."""


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
        STEPS.check("steps", self.steps)

    @property
    def input_steps(self) -> int:
        """The steps in which the input is on."""
        return self.steps

    @property
    def phases(self) -> tuple[Phase, ...]:
        """One phase."""
        return (Phase(self.steps, input_on=True, bias_on=True),)

    def describe(self) -> str:
        """How long the network runs, in words."""
        return f"T = {self.steps} time steps, with input in each"


@dataclass(frozen=True)
class InputThenDrain:
    """FIT: input for `input_steps` (T1), then `drain_steps` (T2) without input, in which stored spikes are sent.

    Biases and extra currents are currents and stop with the input, unless `bias_while_draining`. FIT does not say
    (its networks have no biases); a bias that flowed on would add what the network never computed.

    Args:
        input_steps: T1, steps with input.
        drain_steps: T2, steps without.
        bias_while_draining: whether biases and extra currents flow in those steps too.
    """

    input_steps: int
    drain_steps: int
    bias_while_draining: bool = False

    def __post_init__(self) -> None:
        STEPS.check("input_steps", self.input_steps)
        replace(STEPS, low=0).check("drain_steps", self.drain_steps)

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

    def describe(self) -> str:
        """How long the network runs, in words."""
        return f"T = {self.steps} time steps: {self.input_steps} with input, then {self.drain_steps} without"


@dataclass(frozen=True)
class Layerwise:
    """Layers run one after the other, each for a window of `window` (K) steps; the image is given once.

    A population collects what the spikes of the layers before it deliver, then fires in its own window. So an image
    takes K steps a layer, and all layers together make one step of `phases`. Other images can be under way at the same
    time, a new one every 2 K steps (FS paper, Section 1.1).
    """

    window: int

    def __post_init__(self) -> None:
        STEPS.check("window", self.window)

    @property
    def steps(self) -> int:
        """One: the output is there when all layers have run."""
        return 1

    @property
    def input_steps(self) -> int:
        """One: the image is given once."""
        return 1

    @property
    def interval(self) -> int:
        """Steps after which the next image can follow: 2 K."""
        return 2 * self.window

    @property
    def phases(self) -> tuple[Phase, ...]:
        """One step, in which all layers run."""
        return (Phase(1, input_on=True, bias_on=True),)

    def describe(self) -> str:
        """How long the network runs, in words."""
        return f"K = {self.window} steps for each layer, one layer after the other"


Schedule: TypeAlias = Steady | InputThenDrain | Layerwise
