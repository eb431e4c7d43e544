"""SpiNNaker2: ARM cores that run neurons as programs."""

from __future__ import annotations

from respike.hardware.chip import Chip

CHIP = Chip(
    name="spinnaker2",
    title="SpiNNaker2 (one chip)",
    sources=(
        "Gonzalez et al. 2024, SpiNNaker2: A Large-Scale Neuromorphic System for Event-Based and Asynchronous Machine "
        "Learning, arXiv:2401.04491: 152 processing elements with 128 kByte of SRAM each",
        "https://github.com/SpiNNakerManchester/SpiNNMachine/files/14848134/SpiNN2datasheet.pdf: SpiNNaker2 datasheet "
        "0.03, 2021: 152 ARM Cortex-M4F with 128 kByte of code and data memory each",
        "Höppner et al. 2021, The SpiNNaker 2 Processing Element Architecture, arXiv:2103.08392: the "
        "processing element",
    ),
    weight_bits=8,
    membrane_bits=32,
    cores=152,
    bits_per_core=128 * 1024 * 8,
    spikes_per_step=None,
    signed_spikes=True,
    max_pools=True,
    analog_input=True,
    spiking_output=False,
    notes="Neurons are programs, so only memory limits them here: weights of 8 bits and potentials of 32. Code, "
    "routing tables and buffers take a part of the same memory, so count on more cores than this.",
)
