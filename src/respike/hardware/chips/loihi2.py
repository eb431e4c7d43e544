"""Intel's Loihi 2."""

from __future__ import annotations

from respike.hardware.chip import Chip

CHIP = Chip(
    name="loihi2",
    title="Intel Loihi 2",
    sources=(
        "Intel Labs, Taking Neuromorphic Computing to the Next Level with Loihi 2, technology brief, 2021: 128 neuron "
        "cores, up to 1 million neurons and 120 million synapses, graded spikes",
        "https://open-neuromorphic.org/neuromorphic-computing/hardware/loihi-2-intel/: the same numbers",
        "https://github.com/lava-nc/lava src/lava/proc/lif/models.py (AbstractPyLifModelFixed, PyLifModelBitAcc): "
        "potentials of 24 bits that saturate, thresholds of 17 bits in units of 64; src/lava/proc/dense/process.py: "
        "weights of 8 bits",
    ),
    weight_bits=8,
    membrane_bits=24,
    cores=128,
    neurons_per_core=1_048_576 // 128,
    weights_per_core=120_000_000 // 128,
    spikes_per_step=None,
    signed_spikes=True,
    analog_input=True,
    spiking_output=False,
    notes="Kernels of convolutions are counted once for each core that holds a part of their layer. Microcode and "
    "axons take memory too, so a layer may need more cores than this.",
)
