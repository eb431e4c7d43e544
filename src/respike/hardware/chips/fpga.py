"""An FPGA of medium size, by its memory: AMD's Zynq UltraScale+ ZU9EG, as on the board ZCU102."""

from __future__ import annotations

from respike.hardware.chip import Chip

CHIP = Chip(
    name="fpga",
    title="AMD Zynq UltraScale+ ZU9EG (on-chip memory)",
    sources=(
        "AMD, Zynq UltraScale+ MPSoC Data Sheet: Overview, DS891: the ZU9EG has 912 block RAMs of 36 Kb",
        "https://github.com/stanford-ppl/spatial src/spatial/targets/xilinx/ZCU.scala: 912 RAM36 on the board ZCU102",
    ),
    weight_bits=8,
    membrane_bits=24,
    cores=912,
    bits_per_core=36 * 1024,
    spikes_per_step=None,
    signed_spikes=True,
    max_pools=True,
    analog_input=True,
    spiking_output=False,
    notes="A core is a block RAM: what is asked is whether weights and potentials stay on the chip. Logic is not "
    "counted, and buffers take memory too.",
)
