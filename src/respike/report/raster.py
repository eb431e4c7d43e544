"""The spikes of one image, and how the decision forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor

from respike.cost import depths
from respike.record import Probe
from respike.report.page_data import Bounds, Raster, RasterLayer, rounded
from respike.schedule import Layerwise
from respike.simulate import simulate
from respike.spiking import SpikingNetwork

T = TypeVar("T")


def raster(spiking: SpikingNetwork, image: Tensor, number: int, bounds: Bounds) -> Raster:
    """The spikes for one image `[1, *shape]`, which has this number in its data set."""
    schedule = spiking.plan.schedule
    window = schedule.window if isinstance(schedule, Layerwise) else schedule.steps
    small = _small_enough(spiking, window, bounds)
    recorded = _evenly(small, bounds.raster_layers)
    record = simulate(spiking, image, Probe(spike_counts=False, spikes=recorded), first_image=number)
    before = _first_steps(spiking)
    layers = max(1, len(recorded))
    limit = max(4, min(bounds.raster_neurons, bounds.raster_rows // layers))
    most = bounds.raster_spikes // layers
    rows = tuple(_layer(name, record.spikes[name][:, 0], before[name], limit, most) for name in recorded)
    outputs = record.outputs_over_time[:, 0] / spiking.decoding
    return Raster(
        steps=max(before.values(), default=0) + window,
        layers=rows,
        outputs=tuple(rounded(step.tolist()) for step in outputs),
        left_out=tuple(name for name in spiking.plan.sites if name not in small),
    )


def _small_enough(spiking: SpikingNetwork, window: int, bounds: Bounds) -> tuple[str, ...]:
    """The layers whose spikes fit the memory together, the smallest ones first, in the network's order."""
    left, kept = bounds.raster_values, set[str]()
    for name in sorted(spiking.plan.sites, key=spiking.network.neurons):
        left -= spiking.network.neurons(name) * window
        if left >= 0:
            kept.add(name)
    return tuple(name for name in spiking.plan.sites if name in kept)


def _first_steps(spiking: SpikingNetwork) -> dict[str, int]:
    """How many steps have passed before a layer's first: layerwise, a window for each population in front of it."""
    schedule = spiking.plan.schedule
    if not isinstance(schedule, Layerwise):
        return dict.fromkeys(spiking.plan.sites, 0)
    found = depths(spiking.network, spiking.plan.analog)
    return {name: schedule.window * (found[name] - 1) for name in spiking.plan.sites}


def _layer(name: str, spikes: Tensor, first_step: int, limit: int, most: int) -> RasterLayer:
    """Of the neurons that fired, so many at even distances, with about `most` spikes; `spikes` is `[steps, *shape]`."""
    flat = spikes.flatten(1) != 0
    fired = flat.any(0).nonzero().flatten().tolist()
    shown = _evenly(fired, limit)
    while len(shown) > 1 and int(flat[:, shown].sum()) > most:
        shown = _evenly(shown, max(1, 2 * len(shown) // 3))
    times = tuple(tuple((1 + flat[:, neuron].nonzero().flatten()).tolist()) for neuron in shown)
    return RasterLayer(name, first_step, tuple(shown), times, len(fired), flat.shape[1])


def _evenly(found: Sequence[T], most: int) -> Sequence[T]:
    """All, or so many at even distances."""
    return found if len(found) <= most else [found[len(found) * place // most] for place in range(most)]
