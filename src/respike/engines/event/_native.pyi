"""The compiled kernels (`native/`)."""

import enum
from collections.abc import Sequence
from typing import Final, TypeAlias

from torch import Tensor

_Pair: TypeAlias = tuple[int, int]

MOST_STEPS: Final[int]
"""Of a chunk."""
MOST_BITS: Final[int]
"""Of an amplitude."""
MOST_BURST_BITS: Final[int]
"""Of an amplitude of burst neurons."""
MOST_WINDOW: Final[int]
"""Steps of a few-spikes neuron."""
MOST_TARGETS: Final[int]
"""Of a few-spikes neuron."""
MOST_LANES: Final[int]
"""Floats of a vector."""
MOST_CHANNELS: Final[int]
"""Of a map that spikes come from."""
MOST_COLUMNS: Final[int]
"""Of a map that spikes come from."""
MOST_KERNEL_ROWS: Final[int]
MOST_GATHERED_BITS: Final[int]
"""Of amplitudes of spikes that are gathered."""
MOST_GATHERED_PADDING: Final[int]
"""Of a map whose spikes are gathered."""
WORD: Final[int]
"""Bits of a word."""
PADDING: Final[int]
"""Blocks of channels are multiples of so many."""

class Dynamics(enum.Enum):
    """The steps of neurons that the kernels know."""

    subtract_at = ...
    subtract_above = ...
    to_value_at = ...
    to_value_above = ...
    tracer = ...
    burst = ...

class Sends(enum.Enum):
    """When few-spikes neurons send spikes: the last two those of both signs."""

    at = ...
    above = ...
    both = ...
    both_floor = ...

class Shared:
    """What the senders and readers of some spikes share.

    Whether they are words, or frames of bits for each step; how many there are; their lists, made by the first reader.
    """

_Part: TypeAlias = tuple[Tensor, Shared, "Map"]
"""Spikes (`[signs, bits, images, neurons]`) on their way through a map."""

class Map:
    """A map of spikes: a convolution, a matrix (of one pixel), or (as many groups as channels) a factor per channel."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        weight: Tensor,
        kernel: _Pair,
        stride: _Pair,
        padding: _Pair,
        dilation: _Pair,
        groups: int,
        window: Tensor | None = None,
        strip: int = 0,
        together: int = 0,
        bits: int = 1,
    ) -> None: ...

class Windows:
    """The windows of a pool over maps of a shape (rows, columns, channels): each begins and ends at these inputs."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        row_begin: Tensor,
        row_end: Tensor,
        column_begin: Tensor,
        column_end: Tensor,
    ) -> None: ...

class Neurons:
    """The neurons of a population: thresholds by channel or by neuron, and dynamics."""

    def __init__(self, threshold: Tensor, dynamics: Dynamics, parameter: float) -> None: ...

def fire(
    parts: Sequence[_Part],
    rest: Tensor | None,
    steps: int,
    shape: tuple[int, int, int, int],
    block: int,
    neurons: Neurons,
    potential: Tensor,
    total: Tensor | None,
    out: Tensor,
    threads: int,
    sent: Shared,
) -> None:
    """Runs a population. Its spikes may stay frames, in `sent`: `complete` then writes their words to `out`."""

def complete(words: Tensor, shared: Shared, threads: int) -> None:
    """Writes the words of spikes that are frames alone."""

def currents(
    parts: Sequence[_Part],
    rest: Tensor | None,
    steps: int,
    shape: tuple[int, int, int, int],
    block: int,
    out: Tensor,
    threads: int,
) -> None: ...
def tally(words: Tensor, shared: Shared, fan_out: Tensor, steps: int, out: Tensor, threads: int) -> None: ...
def few(
    current: Tensor,
    offset: Tensor,
    threshold: Tensor,
    value: Tensor,
    inner: int,
    sends: Sends,
    up: Tensor,
    down: Tensor,
    taken: Tensor,
    worth: Tensor,
    delivered: Tensor,
    potential: Tensor | None,
    words: Tensor | None,
    fan_out: Tensor | None,
    sums: Tensor | None,
    threads: int,
) -> None: ...
def linear(x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor, threads: int) -> None: ...
def add_counts(words: Tensor, out: Tensor) -> None: ...
def decode(words: Tensor, steps: int, scale: Tensor | None, out: Tensor, threads: int) -> None: ...
def encode(values: Tensor, steps: int, out: Tensor, threads: int) -> None: ...
def observe(
    values: Tensor, magnitude: bool, first: int, shift: int, maximum: Tensor, sum: Tensor, histogram: Tensor
) -> None: ...
def least_squares(
    edges: Tensor, density: Tensor, units: Tensor, levels: float, offset: float, best: Tensor
) -> None: ...
def pool(words: Tensor, windows: Windows, out: Tensor, threads: int, shared: Shared, sent: Shared) -> None:
    """Sums over windows. They may stay frames, in `sent`, where the spikes are frames in `shared`."""

def instruction_set() -> str:
    """The one whose kernels run."""

def instruction_sets() -> list[str]:
    """Those that this processor has, the fastest first."""

def choose(instruction_set: str) -> None:
    """Lets the kernels of one of them run."""
