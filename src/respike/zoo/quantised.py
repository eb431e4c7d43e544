"""Activations with few values, for networks that are trained to spike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from respike.errors import InvalidOption


class QCFS(nn.Module):
    """Quantisation clip-floor-shift: a ReLU with a trained clip λ, rounded to L levels.

        y = λ / L · clip(floor(x L / λ + 1/2), 0, L)

    In training the rounding is passed over by the gradient (straight-through estimator), so that for 0 < x < λ the
    derivative by x is 1, and that by λ is `y / λ - x / λ`; above the clip they are 0 and 1.

    Source: Bu et al. 2022, "Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency Spiking Neural Networks"
    (ICLR), Eq. 15.

    Args:
        levels: L, the values above zero, 1 at least.
        top: λ before training.

    Raises:
        InvalidOption: a number out of its range.
    """

    def __init__(self, levels: int, top: float = 8.0) -> None:
        """Untrained."""
        super().__init__()
        if levels < 1 or not top > 0:
            raise InvalidOption(f"QCFS needs at least 1 level and a positive clip, not levels={levels} and top={top:g}")
        self.levels = levels
        self.top = nn.Parameter(torch.tensor(top))

    def forward(self, x: Tensor) -> Tensor:
        """The activation of each element."""
        units = (x / self.top).clamp(0.0, 1.0) * self.levels + 0.5
        rounded: Tensor = _Floor.apply(units)  # type: ignore[no-untyped-call]
        return rounded / self.levels * self.top

    def extra_repr(self) -> str:
        """The levels."""
        return f"levels={self.levels}"


class _Floor(torch.autograd.Function):
    """The floor, whose derivative is taken as 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """The largest whole number that is not above."""
        return x.floor()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """As it comes."""
        return gradients[0]
