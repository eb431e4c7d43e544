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
MOST_CHANNELS: Final[int]
"""Of a map that spikes come from."""
MOST_COLUMNS: Final[int]
"""Of a map that spikes come from."""
MOST_KERNEL_ROWS: Final[int]
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

class Shared:
    """What the readers of some spikes share: lists, sorted by the first of them."""

class Part:
    """Spikes (`words`, `[signs, bits, images, neurons]`) on their way through a map."""

    def __init__(
        self,
        words: Tensor,
        shared: Shared,
        shape: tuple[int, int, int],
        weight: Tensor,
        kernel: _Pair,
        stride: _Pair,
        padding: _Pair,
        dilation: _Pair,
        groups: int,
    ) -> None: ...

def fire(
    parts: Sequence[Part],
    rest: Tensor | None,
    steps: int,
    shape: tuple[int, int, int, int],
    block: int,
    potential: Tensor,
    total: Tensor | None,
    threshold: Tensor,
    dynamics: Dynamics,
    parameter: float,
    out: Tensor,
    threads: int,
) -> None: ...
def currents(
    parts: Sequence[Part],
    rest: Tensor | None,
    steps: int,
    shape: tuple[int, int, int, int],
    block: int,
    out: Tensor,
    threads: int,
) -> None: ...
def count(words: Tensor) -> int: ...
def tally(words: Tensor, fan_out: Tensor, steps: int, out: Tensor) -> None: ...
def few(
    current: Tensor,
    offset: Tensor,
    threshold: Tensor,
    value: Tensor,
    thresholds: Tensor,
    resets: Tensor,
    values: Tensor,
    above: bool,
    delivered: Tensor,
    potential: Tensor | None,
    words: Tensor | None,
    threads: int,
) -> None: ...
def add_counts(words: Tensor, out: Tensor) -> None: ...
def decode(words: Tensor, steps: int, scale: Tensor | None, out: Tensor, threads: int) -> None: ...
def encode(values: Tensor, steps: int, out: Tensor, threads: int) -> None: ...
def pool(
    words: Tensor,
    shape: tuple[int, int, int],
    row_begin: Tensor,
    row_end: Tensor,
    column_begin: Tensor,
    column_end: Tensor,
    out: Tensor,
    threads: int,
) -> None: ...
def instruction_set() -> str: ...
