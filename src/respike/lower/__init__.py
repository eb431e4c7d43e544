"""Lowering: a conversion rewritten for hardware. Spikes of 1 and thresholds of 1; then small integers."""

from respike.engines.integers import IntegerRun, SaturationWarning
from respike.lower.fixed_point import FixedPoint, fixed_point
from respike.lower.unit_spikes import unit_spikes

__all__ = ["FixedPoint", "IntegerRun", "SaturationWarning", "fixed_point", "unit_spikes"]
