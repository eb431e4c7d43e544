"""What layers do on a sample of images: activations against what is delivered, potentials left, spikes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import overload

import torch
from torch import Tensor

from respike.neurons import Neuron
from respike.plan import Site
from respike.record import Probe, Recording, decoded
from respike.report.page_data import Bounds, Histogram, Layer, LayerRun, Scale, rounded
from respike.simulate import simulate
from respike.spiking import SpikingNetwork


@dataclass(frozen=True, eq=False)
class LayerSample:
    """One population on the sample, every tensor `[images, *shape]`.

    `delivered` is what its spikes stand for, in activation units; `potentials` are in thresholds.
    """

    activations: Tensor
    delivered: Tensor
    potentials: Tensor
    spikes: Tensor


def images_to_sample(spiking: SpikingNetwork, bounds: Bounds) -> int:
    """How many images keep the sample within its bounds; one at least."""
    neurons = sum(map(spiking.network.neurons, spiking.plan.sites))
    return max(1, min(bounds.images, bounds.values // max(1, neurons)))


def sample(spiking: SpikingNetwork, images: Tensor, bounds: Bounds) -> dict[str, LayerSample]:
    """Every population on the sample, by the layer's name."""
    parts: dict[str, list[LayerSample]] = {name: [] for name in spiking.plan.sites}
    for start, batch in _batches(spiking, images, bounds):
        record = simulate(spiking, batch, _probe(spiking), first_image=start)
        with torch.no_grad():
            values = spiking.network.values((spiking.plan.still(batch),), keep=parts)
        for name, site in spiking.plan.sites.items():
            parts[name].append(_layer_sample(spiking, site, values[name], record, name))
    return {name: _joined(found) for name, found in parts.items()}


def layer(name: str, found: LayerSample, bins: int) -> Layer:
    """The distribution of a layer's positive activations."""
    values = found.activations.flatten()
    positive = values[values > 0]
    highest = float(positive.max()) if len(positive) else 1.0
    return Layer(
        name=name,
        neurons=math.prod(found.activations.shape[1:]),
        values=len(values),
        zero=1 - len(positive) / len(values),
        activations=histogram(positive, 0.0, highest, bins),
    )


def layer_run(spiking: SpikingNetwork, site: Site, found: LayerSample, points: int, bins: int) -> LayerRun:
    """A layer under one method."""
    activations, delivered = found.activations.flatten().double(), found.delivered.flatten().double()
    audible = ((activations != 0) | (delivered != 0)).nonzero().flatten()
    shown = _sampled(audible, points)
    potentials = found.potentials.flatten().double()
    fired = found.spikes.flatten() != 0
    return LayerRun(
        scale=_scale(site),
        activations=rounded(activations[shown].tolist()),
        delivered=rounded(delivered[shown].tolist()),
        silent=_short(1 - len(audible) / len(activations)),
        correlation=_short(correlation(activations, delivered)),
        error=_short(_relative_error(activations, delivered)),
        membrane=_membrane(potentials[(potentials > 0) | fired], bins),
        stored=_short(float((potentials >= 1).double().mean())),
        overdrawn=_short(float(((potentials < 0) & fired).double().mean())),
        spikes=_short(float(found.spikes.abs().double().sum()) / len(found.spikes)),
        expected=_short(_expected(spiking, site, found.activations)),
    )


def histogram(values: Tensor, low: float, high: float, bins: int) -> Histogram:
    """Counts of values in bins of equal width; the last bin holds its upper edge too."""
    inside = values[(values >= low) & (values <= high)].double()
    counts = torch.histc(inside, bins, low, high) if high > low else torch.zeros(bins)
    return Histogram(low, high, tuple(map(int, counts.tolist())), int((values < low).sum()), int((values > high).sum()))


def correlation(first: Tensor, second: Tensor) -> float | None:
    """Pearson's correlation; None where one of the two is constant."""
    one, other = first - first.mean(), second - second.mean()
    norms = float(one.norm() * other.norm())
    return min(1.0, max(-1.0, float(one @ other) / norms)) if norms > 0 else None


def _batches(spiking: SpikingNetwork, images: Tensor, bounds: Bounds) -> Iterator[tuple[int, Tensor]]:
    """The sample in pieces whose spikes fit the memory, each with the number of its first image."""
    steps = {name: _steps_kept(spiking, site) for name, site in spiking.plan.sites.items()}
    kept = sum(max(1, count) * spiking.network.neurons(name) for name, count in steps.items())
    size = max(1, bounds.raster_values // max(1, kept))
    for start in range(0, len(images), size):
        yield start, images[start : start + size]


def _steps_kept(spiking: SpikingNetwork, site: Site) -> int:
    """How many steps of spikes are needed: none where their sums say all."""
    if site.neuron.window is not None:
        return site.neuron.window
    return spiking.plan.schedule.steps if site.neuron.graded or site.neuron.signed else 0


def _probe(spiking: SpikingNetwork) -> Probe:
    names = tuple(spiking.plan.sites)
    kept = tuple(name for name, site in spiking.plan.sites.items() if _steps_kept(spiking, site))
    summed = any(site.neuron.window is None for site in spiking.plan.sites.values())
    return Probe(spike_counts=summed, spikes=kept, potentials=names)


def _layer_sample(
    spiking: SpikingNetwork, site: Site, activations: Tensor, record: Recording, name: str
) -> LayerSample:
    kept = _steps_kept(spiking, site) > 0
    counts = site.neuron.spikes_sent(record.spikes[name]).sum(0) if kept else record.spike_counts[name]
    potentials = (record.potentials[name] / site.like(activations).threshold).expand_as(activations)
    return LayerSample(activations, decoded(spiking.plan, record, name), potentials, counts)


def _joined(parts: list[LayerSample]) -> LayerSample:
    return LayerSample(
        torch.cat([part.activations for part in parts]),
        torch.cat([part.delivered for part in parts]),
        torch.cat([part.potentials for part in parts]),
        torch.cat([part.spikes for part in parts]),
    )


def _sampled(numbers: Tensor, count: int) -> Tensor:
    """So many of the numbers, drawn without a state that anyone shares."""
    if len(numbers) <= count:
        return numbers
    order = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(0))
    return numbers[order[:count]].sort().values


def _scale(site: Site) -> Scale:
    values = torch.as_tensor(site.value, dtype=torch.float64).reshape(-1)
    if math.isfinite(site.neuron.largest):
        values = values * site.neuron.largest
    return Scale(*rounded((float(values.min()), float(values.median()), float(values.max()))))


def _membrane(potentials: Tensor, bins: int) -> Histogram:
    """Around all but the outermost thousandth, and around zero and the threshold whatever they are."""
    ordered = torch.cat([potentials, potentials.new_tensor([0.0, 1.0])]).sort().values
    edge = len(potentials) // 1000
    low, high = min(0.0, float(ordered[edge])), max(1.0, float(ordered[-1 - edge]))
    low, high = rounded((low, high))
    return histogram(potentials, low, high, bins)


def _expected(spiking: SpikingNetwork, site: Site, activations: Tensor) -> float | None:
    """Spikes per image that would deliver the activations exactly."""
    if site.neuron.window is not None or not _counts_amplitudes(site.neuron):
        return None
    wanted = activations.clamp(min=0) * spiking.plan.decoding / site.like(activations).spike_value
    return float(wanted.double().sum()) / len(activations)


def _counts_amplitudes(neuron: Neuron) -> bool:
    """Whether an amplitude of n is n spikes."""
    amplitude = torch.tensor(2.0 if neuron.most is None else float(neuron.most))
    return float(neuron.spikes_sent(amplitude)) == float(amplitude)


@overload
def _short(value: float) -> float: ...
@overload
def _short(value: float | None) -> float | None: ...
def _short(value: float | None) -> float | None:
    """Six significant figures."""
    return None if value is None else rounded((value,), 6)[0]


def _relative_error(wanted: Tensor, given: Tensor) -> float | None:
    power = float(wanted.square().mean().sqrt())
    return float((wanted - given).square().mean().sqrt()) / power if power > 0 else None


def by_layer(found: Mapping[str, LayerSample], bins: int) -> tuple[Layer, ...]:
    """The layers of the network, in order."""
    return tuple(layer(name, part, bins) for name, part in found.items())
