"""Whether memory holds the outputs over time."""

from __future__ import annotations

import os

from respike.errors import InvalidOption
from respike.measure.batches import BATCH_SIZE
from respike.spiking import SpikingNetwork


def check_memory(spiking: SpikingNetwork) -> None:
    """Raises `InvalidOption` unless memory holds the outputs of a batch at every step, beside a copy of them."""
    network, steps = spiking.network, spiking.plan.schedule.steps
    needed = 2 * steps * BATCH_SIZE * network.neurons(network.outputs[0]) * network.dtype.itemsize
    if not hasattr(os, "sysconf"):  # Windows does not say
        return
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise InvalidOption(
            f"the outputs of {steps:,} steps take {needed >> 30} GiB, this machine has {there >> 30}: use fewer steps"
        )
