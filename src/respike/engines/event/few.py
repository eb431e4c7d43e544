"""Few-spikes populations: the K steps of a neuron in registers, one pass over the population."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.engines.event import _native
from respike.engines.event.record import EventRecorder
from respike.engines.event.values import Layout
from respike.neurons import Above, LayerwiseNeuron
from respike.plan import Site


def population(name: str, site: Site, neuron: LayerwiseNeuron, current: Tensor, recorder: EventRecorder) -> Tensor:
    """What a population delivers for its input `[batch, *shape]`: `fire_few`, step for step and bit for bit."""
    shape = current.shape[1:]
    numbers = site.like(current)
    flat = current.reshape(len(current), shape.numel()).contiguous()
    delivered = torch.empty_like(flat)
    potential = torch.empty_like(flat) if recorder.keeps_potential(name) else None
    words = torch.empty(1, 1, *flat.shape, dtype=torch.int64) if recorder.counts(name) else None
    coefficients = neuron.coefficients
    _native.few(
        flat,
        *_by_group(shape, numbers.initial_potential + numbers.extra_current, numbers.threshold, numbers.spike_value),
        *(torch.tensor(c, dtype=torch.float64) for c in (coefficients.thresholds, coefficients.resets, coefficients.values)),
        isinstance(neuron.fires, Above),
        delivered,
        potential,
        words,
        torch.get_num_threads(),
    )
    if words is not None:
        recorder.population(name, words, Layout(tuple(shape), channels_last=True), neuron.steps, potential)
    return delivered.reshape(current.shape)


def _by_group(shape: torch.Size, *quantities: Tensor) -> list[Tensor]:
    """Quantities that broadcast against `[1, *shape]`, one number for each group of neighbours in which none varies."""
    whole = [quantity.reshape((1,) * (1 + len(shape) - quantity.ndim) + quantity.shape) for quantity in quantities]
    depth = max((d for d in range(len(shape)) if any(q.shape[1 + d] > 1 for q in whole)), default=-1) + 1
    return [q.expand(1, *shape[:depth], *q.shape[1 + depth :]).flatten().contiguous() for q in whole]
