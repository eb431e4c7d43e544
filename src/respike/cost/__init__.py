"""What a network and a simulation cost: fan-out, operations, energy."""

from respike.cost.energy import HOROWITZ_45NM, EnergyModel
from respike.cost.fan_out import fan_out, fan_outs, probed_fan_out
from respike.cost.latency import depth, depths, interval, latency
from respike.cost.operations import analog_macs, analog_operations, evaluations, macs

__all__ = [
    "HOROWITZ_45NM",
    "EnergyModel",
    "analog_macs",
    "analog_operations",
    "depth",
    "depths",
    "evaluations",
    "fan_out",
    "fan_outs",
    "interval",
    "latency",
    "macs",
    "probed_fan_out",
]
