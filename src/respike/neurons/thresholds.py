"""What happens where the potential is exactly the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor


@dataclass(frozen=True)
class AtOrAbove:
    """Fires where `v ≥ threshold` (ECC Eq. 4)."""

    def __call__(self, potential: Tensor, threshold: Tensor) -> Tensor:
        """Where neurons fire."""
        return potential >= threshold


@dataclass(frozen=True)
class Above:
    """Fires where `v > threshold` (ECC Algorithm 1)."""

    def __call__(self, potential: Tensor, threshold: Tensor) -> Tensor:
        """Where neurons fire."""
        return potential > threshold


Firing: TypeAlias = AtOrAbove | Above
