"""How long a measurement is going to take, told before it starts."""

from __future__ import annotations

import time
from dataclasses import replace

from respike import SpikingNetwork, simulate
from respike.cli import console
from respike.cost import macs
from respike.data import Dataset
from respike.engines import Engine
from respike.record import Probe
from respike.schedule import InputThenDrain, Layerwise, Schedule, Steady

LARGE = 1e12
"""Multiply-accumulates of the network, times images and steps, below which nothing is estimated: some seconds."""
TOLD_S = 60.0
"""Seconds above which an estimate is told."""
_IMAGES, _STEPS = 8, 16


def announce(spiking: SpikingNetwork, images: Dataset, limit: int | None, engine: Engine | None) -> None:
    """Says how long measuring takes, where that is more than a minute: measured on a few images and steps."""
    count, schedule = min(len(images), limit or len(images)), spiking.plan.schedule
    if sum(macs(spiking.network).values()) * count * schedule.steps < LARGE:
        return
    part = images.take(_IMAGES).images
    shorter = SpikingNetwork(spiking.network, replace(spiking.plan, schedule=_shorter(schedule)))
    seconds = 0.0
    for _ in range(2):  # the first run also prepares what all runs share
        started = time.perf_counter()
        simulate(shorter, part, Probe(spike_counts=False), engine=engine)
        seconds = time.perf_counter() - started
    whole = seconds * (count / len(part)) * (schedule.steps / shorter.plan.schedule.steps)
    if whole > TOLD_S:
        console.note(
            f"{spiking.plan.method}: {count:,} images of {schedule.steps:,} steps take about {duration(whole)}; "
            "--limit measures fewer images"
        )


def duration(seconds: float) -> str:
    """Seconds as one says them."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"


def _shorter(schedule: Schedule) -> Schedule:
    match schedule:
        case Steady(steps):
            return Steady(min(steps, _STEPS))
        case InputThenDrain(input_steps, _, bias):
            return InputThenDrain(min(input_steps, _STEPS), 0, bias)
        case Layerwise():
            return schedule
