"""What a network and a simulation cost: fan-out, operations, energy."""

from respike.metrics.energy import HOROWITZ_45NM, EnergyModel
from respike.metrics.fan_out import fan_out, fan_outs, probed_fan_out
from respike.metrics.operations import macs

__all__ = ["HOROWITZ_45NM", "EnergyModel", "fan_out", "fan_outs", "macs", "probed_fan_out"]
