"""The verb `diagnose`: where a conversion loses the network's accuracy, and what to change."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from respike import methods
from respike.diagnosis.conversions import advised
from respike.diagnosis.evidence import Suspicion
from respike.diagnosis.replacing import hybrid, populations
from respike.diagnosis.result import Attempt, Diagnosis, Finding
from respike.diagnosis.rules import suspicions
from respike.diagnosis.rules.network import wrong_network
from respike.diagnosis.tally import Batch, Decisions, Tally
from respike.engines import Engine, fastest
from respike.errors import InvalidData, InvalidOption
from respike.ir import Network
from respike.methods import Method
from respike.plan import Plan
from respike.progress import Progress, shown, silent
from respike.record import Probe, Recording, decoded
from respike.simulate import simulate
from respike.spiking import SpikingNetwork
from respike.typed import SPIKING, check_kind
from respike.version import __version__

BATCH_SIZE = 64
MEMORY = 2**28
"""Bytes that what is kept of one batch may take."""


def diagnose(
    spiking: SpikingNetwork,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    tolerance: float = 0.01,
    try_changes: bool = True,
    engine: Engine | None = None,
    dataset_name: str = "",
    method: Method[Any] | None = None,
    calibration: Tensor | None = None,
    progress: Progress | bool = silent,
) -> Diagnosis:
    """Finds where a converted network loses accuracy, and what to change.

    Every population is compared with the activations of the network that it stands for. Then layers are replaced front
    to back: with the first k populations spiking, their decoded activations are fed to the rest of the network as it
    was, k = 0 … all. What is decoded comes from one simulation of the whole spiking network, so the last of these
    hybrids is the spiking network, up to its readout. In a network with branches, layers are replaced in the order in
    which the network computes them; of a recurrent layer all time steps at once.

    Where the loss exceeds `tolerance`, rules with stated thresholds (`respike.diagnosis.rules`) say what to change, and
    each change that can be made in the plan is tried on the same images. With `calibration`, so is advice that takes a
    new conversion: another method, other options, a refinement. Findings, and the remedies of each, are ranked by what
    they gained.

    Args:
        spiking: the converted network.
        images: `[images, *shape]`; a few hundred are enough.
        labels: `[images]`, whole numbers. Without them, agreement with the network takes the place of accuracy.
        tolerance: a loss of accuracy up to this fraction is none.
        try_changes: try what is advised, each at the cost of one run over the images.
        engine: who simulates; the fastest that can unless given.
        dataset_name: for the diagnosis.
        method: the method that made the plan, whose remedies are advised; found by its name where it is one of
            `respike.methods`.
        calibration: images of the training set, by which networks are converted again to try what is advised.
        progress: called after each batch with what is being run, and the number of images finished; True draws a bar.

    Raises:
        InvalidData: no images, wrong shapes, outputs that are not classes, labels that do not fit.
    """
    check_kind("spiking", spiking, SpikingNetwork, SPIKING)
    if not 0 <= tolerance < 1:
        raise InvalidOption(f"tolerance must be in [0, 1), got {tolerance:g}")
    _check(spiking.network, images, labels)
    started = time.perf_counter()
    method = method or methods.known(spiking.plan.method)
    with shown(progress) as told:
        found = replace(_observed(spiking, images, labels, tolerance, engine, told), dataset=dataset_name)
        suspected = suspicions(found, spiking, method)
        findings = [one.finding for one in suspected]
        if try_changes:
            trials = Trials(spiking, images, labels, method, calibration, told)
            findings = [
                trials.of(one, f"trying change {number} of {len(suspected)}") for number, one in enumerate(suspected, 1)
            ]
            findings.sort(key=_gained)
    return replace(found, findings=tuple(findings), seconds=time.perf_counter() - started)


@torch.no_grad()
def _observed(
    spiking: SpikingNetwork,
    images: Tensor,
    labels: Tensor | None,
    tolerance: float,
    engine: Engine | None,
    progress: Progress,
) -> Diagnosis:
    """The diagnosis without its findings."""
    network, plan = spiking.network, spiking.plan
    engine = engine or fastest(network, plan)
    tallies = [Tally(population, plan) for population in populations(network, plan)]
    before, after = Decisions(), Decisions()
    over_time = torch.zeros(0, dtype=torch.float64)
    probe = Probe(spikes=[name for name, site in plan.sites.items() if site.neuron.window is not None])
    for first, batch, true in _batches(network, plan, images, labels):
        record = simulate(spiking, batch, probe, engine=engine, first_image=first)
        outputs = _replaced(spiking, batch, true, record, tallies)
        before.add(outputs, outputs, true)
        after.add(record.outputs / spiking.decoding, outputs, true)
        right = record.outputs_over_time.argmax(-1) == (outputs.argmax(-1) if true is None else true)
        over_time = right.double().sum(1).cpu() + (over_time if len(over_time) else 0)
        progress("comparing layers", first + len(batch), len(images))
    return Diagnosis(
        network=network.origin,
        method=plan.title,
        options=dict(plan.settings),
        dataset="",
        images=len(images),
        labelled=labels is not None,
        steps=plan.schedule.steps,
        tolerance=tolerance,
        before=before.finish(labels is not None),
        layers=tuple(tally.finish(labels is not None) for tally in tallies),
        after=after.finish(labels is not None),
        over_time=tuple((over_time / len(images)).tolist()),
        findings=(),
        engine=getattr(engine, "__name__", type(engine).__name__),
        seconds=0.0,
        respike_version=__version__,
    )


def _replaced(
    spiking: SpikingNetwork, images: Tensor, labels: Tensor | None, record: Recording, tallies: list[Tally]
) -> Tensor:
    """Replaces layers front to back on one batch; gives the network's own outputs."""
    network, plan = spiking.network, spiking.plan
    output = network.outputs[0]
    sent = {name: decoded(plan, record, name) for name in plan.sites}
    activations = hybrid(network, images, {}, [output, *plan.sites])
    values, done = activations, dict[str, Tensor]()
    for tally, following in zip(tallies, [*tallies[1:], None], strict=False):
        nodes = tally.population.nodes
        tally.add(
            Batch(
                sent={name: sent[name] for name in nodes},
                network={name: activations[name] for name in nodes},
                own={name: values[name] for name in nodes},
                spikes={name: record.spike_counts[name] for name in nodes},
            )
        )
        done |= {name: sent[name] for name in nodes}
        values = hybrid(network, images, done, [output, *(following.population.nodes if following else ())])
        tally.decisions.add(values[output], activations[output], labels)
    return activations[output]


@dataclass(frozen=True, eq=False)
class Trials:
    """What is advised, tried on the images of the diagnosis."""

    spiking: SpikingNetwork
    images: Tensor
    labels: Tensor | None
    method: Method[Any] | None
    calibration: Tensor | None
    progress: Progress
    known: dict[str, float] = field(default_factory=dict)

    def of(self, suspicion: Suspicion, doing: str) -> Finding:
        """The finding, with the scores of the plans that it proposes; its remedies stand in the order of these."""
        finding = suspicion.finding
        if suspicion.change is not None:
            finding = replace(finding, tried=self._score(suspicion.change.plan, doing))
        network, plan = self.spiking.network, self.spiking.plan
        found = []
        for remedy in finding.remedies:
            if str(remedy) not in self.known:
                made = advised(remedy, plan, network, self.method, self.calibration)
                self.known[str(remedy)] = math.nan if made is None else self._score(made, f"{doing}: {remedy}")
            if not math.isnan(self.known[str(remedy)]):
                found.append(Attempt(remedy, self.known[str(remedy)]))
        found.sort(key=lambda attempt: -attempt.decision)
        untried = [one for one in finding.remedies if one not in [attempt.remedy for attempt in found]]
        return replace(finding, attempts=tuple(found), remedies=(*(one.remedy for one in found), *untried))

    @torch.no_grad()
    def _score(self, plan: Plan, doing: str) -> float:
        changed = SpikingNetwork(self.spiking.network, plan)
        score = Decisions()
        for first, batch, true in _batches(changed.network, plan, self.images, self.labels):
            record = simulate(changed, batch, Probe(spike_counts=False), first_image=first)
            score.add(record.outputs / changed.decoding, changed.network(batch), true)
            self.progress(doing, first + len(batch), len(self.images))
        return score.finish(self.labels is not None).decision


def _batches(
    network: Network, plan: Plan, images: Tensor, labels: Tensor | None
) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """The number of each batch's first image, its images and its labels; as many at once as there is memory for."""
    steps = max((site.neuron.window or 1 for site in plan.sites.values()), default=1)
    neurons = sum(network.neurons(name) for name in plan.sites)
    size = max(1, min(BATCH_SIZE, MEMORY // max(1, neurons * (steps + 3) * network.dtype.itemsize)))
    for first in range(0, len(images), size):
        part = slice(first, first + size)
        given = images[part].to(network.device)
        yield first, given, None if labels is None else labels[part].to(network.device)


def _check(network: Network, images: Tensor, labels: Tensor | None) -> None:
    if not len(images):
        raise InvalidData("a diagnosis needs images")
    network.check_inputs((images[:1],))
    shape = network.shapes[network.outputs[0]]
    if len(shape) != 1:
        raise InvalidData(f"a diagnosis is about decisions between classes; the network's output is {list(shape)}")
    if labels is not None:
        network.check_labels(labels, len(images))


def _gained(finding: Finding) -> float:
    """Sorts findings: a network that is wrong itself, then what was tried, the best first, then the others."""
    if finding.rule == wrong_network.__name__:
        return -2.0
    return 0.0 if math.isnan(finding.best) else -finding.best - 1e-9
