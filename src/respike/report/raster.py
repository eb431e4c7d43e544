"""The spikes of one image, and how the decision forms."""

from __future__ import annotations

from torch import Tensor

from respike.cost import depths
from respike.record import Probe
from respike.report.page_data import Bounds, Raster, RasterLayer, rounded
from respike.schedule import Layerwise
from respike.simulate import simulate
from respike.spiking import SpikingNetwork


def raster(spiking: SpikingNetwork, image: Tensor, number: int, bounds: Bounds) -> Raster:
    """The spikes for one image `[1, *shape]`, which has this number in its data set."""
    schedule = spiking.plan.schedule
    window = schedule.window if isinstance(schedule, Layerwise) else schedule.steps
    recorded = _small_enough(spiking, window, bounds)
    record = simulate(spiking, image, Probe(spike_counts=False, spikes=recorded), first_image=number)
    before = _first_steps(spiking)
    layers = max(1, len(recorded))
    limit = max(4, min(bounds.raster_neurons, bounds.raster_rows // layers, bounds.raster_spikes // (window * layers)))
    rows = tuple(_layer(name, record.spikes[name][:, 0], before[name], limit) for name in recorded)
    outputs = record.outputs_over_time[:, 0] / spiking.decoding
    return Raster(
        steps=max(before.values(), default=0) + window,
        layers=rows,
        outputs=tuple(rounded(step.tolist()) for step in outputs),
        left_out=tuple(name for name in spiking.plan.sites if name not in recorded),
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


def _layer(name: str, spikes: Tensor, first_step: int, limit: int) -> RasterLayer:
    """Of the neurons that fired (`spikes` is `[steps, *shape]`), so many at even distances."""
    flat = spikes.flatten(1) != 0
    fired = flat.any(0).nonzero().flatten().tolist()
    shown = fired if len(fired) <= limit else [fired[len(fired) * place // limit] for place in range(limit)]
    times = tuple(tuple((1 + flat[:, neuron].nonzero().flatten()).tolist()) for neuron in shown)
    return RasterLayer(name, first_step, tuple(shown), times, len(fired), flat.shape[1])
