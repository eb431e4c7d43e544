"""Energy estimates: a value with its source, never a constant in a loop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EnergyModel:
    """Energy of arithmetic alone: `macs · joules_per_mac + additions · joules_per_ac`.

    Memory, communication, membrane updates and leakage are left out; on most hardware they dominate. Use the operation
    counts first, and energy to compare networks under one stated model.

    Args:
        joules_per_mac: energy of one multiply-accumulate.
        joules_per_ac: energy of one addition.
        source: where the numbers are from.
    """

    joules_per_mac: float
    joules_per_ac: float
    source: str

    def __call__(self, macs: float, additions: float) -> float:
        """Joules of so many multiply-accumulates and additions."""
        return macs * self.joules_per_mac + additions * self.joules_per_ac


HOROWITZ_45NM = EnergyModel(
    joules_per_mac=4.6e-12,
    joules_per_ac=0.9e-12,
    source="M. Horowitz, Computing's energy problem, ISSCC 2014: 45 nm, 32-bit float, multiply 3.7 pJ, add 0.9 pJ",
)
