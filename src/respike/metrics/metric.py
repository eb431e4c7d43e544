"""What a metric is: sums over images, and a number from the sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Metric(Protocol):
    """Compares outputs with targets; where there are none, with what the network's own outputs stand for."""

    @property
    def name(self) -> str:
        """As the field calls it, with the unit where it has one."""
        ...

    @property
    def larger_is_better(self) -> bool:
        """Whether a larger value is a better one."""
        ...

    def check(self, shape: Sequence[int], targets: Tensor | None) -> None:
        """Raises `InvalidData` unless the metric has a meaning for such outputs, and the targets fit them.

        Args:
            shape: of the outputs, `[batch, *output]`.
            targets: of the batch; None where there are none.
        """
        ...

    def own(self, outputs: Tensor) -> Tensor:
        """The targets that a network's outputs `[batch, *output]` stand for."""
        ...

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What a batch contributes, in float64; the contributions of batches are added up.

        Args:
            outputs: in the units of the network's, `[batch, *output]`.
            targets: what `check` has passed, or `own` has returned.
        """
        ...

    def value(self, sums: Tensor) -> float:
        """The metric, from the sums over all images; `InvalidData` where they give it no value."""
        ...
