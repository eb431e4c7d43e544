"""What a network and a simulation cost: fan-out, operations, energy."""

from respike.metrics.energy import HOROWITZ_45NM, EnergyModel
from respike.metrics.fan_out import fan_out, fan_outs, probed_fan_out
from respike.metrics.latency import depth, depths, interval, latency
from respike.metrics.operations import analog_macs, macs
from respike.metrics.published import (
    ecc_macs,
    ecc_mops,
    ecc_synaptic_operations,
    fs_spikes,
    fs_spikes_per_neuron,
)

__all__ = [
    "HOROWITZ_45NM",
    "EnergyModel",
    "analog_macs",
    "depth",
    "depths",
    "ecc_macs",
    "ecc_mops",
    "ecc_synaptic_operations",
    "fan_out",
    "fan_outs",
    "fs_spikes",
    "fs_spikes_per_neuron",
    "interval",
    "latency",
    "macs",
    "probed_fan_out",
]
