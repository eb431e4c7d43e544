"""Figure 5: how many spikes the neurons of some layers send in count mode, and how many their activations expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from papers.ecc.outcomes import count
from papers.ecc.plans import ecc
from papers.workbench import Subject, Workbench
from torch import Tensor

from respike import Plan, Probe
from respike.plan import SpikeCount
from respike.record import OUTPUT

STEPS = 64
"""The paper's."""
IMAGES = 1000
EXPECTED = "expected"
ETAS = {"2017-SNN": 0.0, "ECC-SNN": 1 / 2, "ECC-SNN, 2/3": 2 / 3}


@dataclass(frozen=True, eq=False)
class Counts:
    """Spike counts by method and layer.

    spikes: the number of neurons with 0, 1, ... `steps` spikes, all images together, of the methods and `EXPECTED`.
    distances: for each image, the mean distance of a neuron's count from the expected one, in per cent of the mean
    expected count.
    """

    layers: list[str]
    images: int
    steps: int
    spikes: dict[str, dict[str, list[int]]]
    distances: dict[str, dict[str, list[float]]]

    def distance(self, method: str, layer: str) -> Tensor:
        """The distances of all images."""
        return torch.tensor(self.distances[method][layer])


def spike_counts(bench: Workbench, subject: Subject) -> Counts:
    """Counts the spikes of the 4th, 8th and 12th population and of the output on the first images."""
    names = [node.name for node in subject.network.activations]
    layers = [*(names[place - 1] for place in (4, 8, 12)), OUTPUT]
    images = subject.test.take(min(IMAGES, bench.limit))
    plans = {name: ecc(subject, STEPS, eta=eta, spiking_output=True) for name, eta in ETAS.items()}

    def compute() -> dict[str, Any]:
        spikes = {name: {layer: torch.zeros(STEPS + 1) for layer in layers} for name in (*plans, EXPECTED)}
        distances: dict[str, dict[str, list[float]]] = {name: {layer: [] for layer in layers} for name in plans}
        with bench.task(f"{subject.name} spike counts", len(images)) as task:
            for batch, labels in images.batches(50):
                expected = _expected(subject, plans["2017-SNN"], layers, batch)
                for layer in layers:
                    spikes[EXPECTED][layer] += _histogram(expected[layer].round())
                for name, plan in plans.items():
                    counts = count(subject.network, plan, batch, Probe()).spike_counts
                    for layer in layers:
                        spikes[name][layer] += _histogram(counts[layer])
                        distances[name][layer] += _distances(counts[layer], expected[layer])
                bench.bar.advance(task, len(labels))
        whole = {name: {layer: sums.int().tolist() for layer, sums in by.items()} for name, by in spikes.items()}
        return {"spikes": whole, "distances": distances}

    found = bench.keep("spike counts", subject, {"images": len(images), "steps": STEPS, "etas": ETAS}, compute)
    return Counts(layers, len(images), STEPS, found["spikes"], found["distances"])


def _expected(subject: Subject, plan: Plan, layers: list[str], images: Tensor) -> dict[str, Tensor]:
    """Steps times the share of its largest value that each activation has, as the plan's thresholds say."""
    nodes = {layer: subject.network.outputs[0] if layer == OUTPUT else layer for layer in layers}
    values = subject.network.values((images,), list(nodes.values()))
    assert isinstance(plan.readout, SpikeCount)
    sites = {**plan.sites, OUTPUT: plan.readout.site}
    return {layer: (STEPS * values[node] / sites[layer].threshold).clamp(0, STEPS) for layer, node in nodes.items()}


def _histogram(counts: Tensor) -> Tensor:
    return torch.histc(counts, STEPS + 1, -0.5, STEPS + 0.5)


def _distances(counts: Tensor, expected: Tensor) -> list[float]:
    """Per image."""
    apart = (counts - expected).abs().flatten(1).mean(1)
    usual = expected.flatten(1).mean()
    return (100 * apart / usual).tolist()
