"""`Report`: what was measured, from the sums over all images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from respike.cost import EnergyModel, analog_macs, interval, latency, macs
from respike.engines import Engine
from respike.measure.early_exit import EarlyExit
from respike.measure.tally import Tally
from respike.record import INPUT, OUTPUT
from respike.schedule import Layerwise
from respike.spiking import SpikingNetwork
from respike.summarised import Summarised, called
from respike.version import __version__


@dataclass(frozen=True)
class Exits:
    """What leaving early gives: each image is decided at the step at which `rule` lets it go, at the last step at most.

    Args:
        rule: the rule, in words.
        steps_used: the mean of the steps at which images are decided.
        exited: the share of images that left before the last step.
        accuracy: the share of decisions that are right.
        agreement: the share of decisions that the last step confirms.
        exits_per_step: how many images left at each step.
    """

    rule: str
    steps_used: float
    exited: float
    accuracy: float
    agreement: float
    exits_per_step: list[int]


@dataclass(frozen=True, repr=False)
class Report(Summarised):
    """What was measured. Lists have one value per time step, counts are per image, accuracies are fractions.

    Args:
        network: where the network came from.
        method: the method that made the plan, and the refinements; empty for a plan made by hand.
        options: the options of the method, those that it chose itself as chosen, and under `refine` the refinements
            with theirs.
        dataset: the name of the data set.
        images: how many were measured.
        steps: time steps of the plan.
        latency: the number of steps until an image's output is complete.
        interval: the number of steps after which the next image can follow.
        network_accuracy: the accuracy of the network itself.
        accuracy: the accuracy of the spiking network after each step.
        top5_accuracy: the share of images whose label is among the five largest outputs, after each step.
        network_top5_accuracy: the same of the network.
        agreement: the share of images on which both decide the same after the last step.
        output_error: relative root mean square error of the outputs after the last step against the network's.
        steps_to_network_accuracy: the first step from which on the accuracy stays within `tolerance` of the network's;
            None where it never does.
        tolerance: by how much the accuracy may fall short and still count as reached.
        neurons: how many spiking neurons there are.
        spikes_per_neuron: spikes of a neuron, on average over all of them.
        spikes_per_layer: spikes of each population.
        spikes_per_step: spikes of all populations in each step.
        synaptic_operations: every spike times its real fan-out, the input's too where the coding spikes.
        synaptic_operations_per_step: the same in each step.
        macs: multiply-accumulates of the network itself.
        input_macs: multiply-accumulates of an analog input, once per image: a constant current is computed once.
        energy_ratio: the spiking network's energy over the network's, under the energy model named.
        energy_model: the source of the energy model.
        engine: who simulated.
        seconds: how long this run took; what was resumed took its own time.
        seed: of a random input coding.
        respike_version: the version that measured.
        complete: False where the run was interrupted.
        early_exit: what leaving early gives, where it was asked for; everything else is without it.
        analog_macs: multiply-accumulates of what the plan lets stay analog.
        labelled: False where the images had no labels: what the network decides then counts as right, so that every
            accuracy is an agreement with it.
    """

    network: str
    method: str
    options: Mapping[str, object]
    dataset: str
    images: int
    steps: int
    latency: int
    interval: int
    network_accuracy: float
    accuracy: list[float]
    top5_accuracy: list[float]
    network_top5_accuracy: float
    agreement: float
    output_error: float
    steps_to_network_accuracy: int | None
    tolerance: float
    neurons: int
    spikes_per_neuron: float
    spikes_per_layer: Mapping[str, float]
    spikes_per_step: list[float]
    synaptic_operations: float
    synaptic_operations_per_step: list[float]
    macs: int
    input_macs: float
    energy_ratio: float
    energy_model: str
    engine: str
    seconds: float
    seed: int | None
    respike_version: str
    complete: bool
    early_exit: Exits | None = None
    analog_macs: float = 0.0
    labelled: bool = True

    def _summary(self) -> tuple[str, dict[str, str]]:
        reached = self.steps_to_network_accuracy
        within = "never within" if reached is None else f"from step {reached} on within"
        part = "" if self.complete else " (interrupted)"
        network, spiking = 100 * self.network_accuracy, 100 * self.accuracy[-1]
        return f"Report: {called(self.method, self.options.items())} on {self.network}", {
            "measured": f"{self.images:,} images" + (f" of {self.dataset}" if self.dataset else "") + part,
            "accuracy" if self.labelled else "agreement": (
                f"{spiking:.2f} % after {self.latency} steps, the network {network:.2f} %; "
                f"{within} {100 * self.tolerance:.3g} points of it"
            ),
            "spikes": f"{self.spikes_per_neuron:.2f} per neuron and image, {self.neurons:,} neurons",
            "operations": f"{self.synaptic_operations:,.0f} additions per image, the network {self.macs:,} MACs",
            "energy": f"{self.energy_ratio:.3g} times the network's arithmetic ({self.energy_model})",
        }

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(vars(self), indent=1, default=_plain)


def _plain(value: object) -> object:
    return asdict(value) if isinstance(value, Exits) else str(value)


def report(
    spiking: SpikingNetwork,
    tally: Tally,
    fan_out: Mapping[str, Tensor],
    *,
    energy: EnergyModel,
    tolerance: float,
    dataset_name: str,
    engine: Engine,
    seconds: float,
    complete: bool,
    early_exit: EarlyExit | None,
) -> Report:
    """The report on the images of a tally."""
    network, plan, images = spiking.network, spiking.plan, tally.images
    totals = tally.per_population("spikes")
    # In the network's order, whoever counted them.
    layers = {node.name: totals[node.name] for node in network.nodes if node.name in totals.keys() - {INPUT, OUTPUT}}
    # The same neurons stand for several activations in an unrolled recurrent network.
    spiking_nodes = [node for node in network.activations if node.name not in plan.analog]
    neurons = sum({node.population or node.name: network.neurons(node.name) for node in spiking_nodes}.values())
    spikes = _sum_per_step(layers.values()) / images
    operations = _sum_per_step(tally.per_population("operations").values()) / images
    input_macs = 0.0 if plan.coding.spiking else float(fan_out[INPUT].sum())
    kept_macs = analog_macs(network, plan, fan_out)
    network_macs = sum(macs(network).values())
    accuracy = _over_time(tally, "right", plan.schedule.steps)
    network_accuracy = tally.number("network right") / images
    return Report(
        network=network.origin,
        method=plan.title,
        options=dict(plan.settings),
        dataset=dataset_name,
        images=images,
        steps=plan.schedule.steps,
        latency=latency(network, plan),
        interval=interval(network, plan),
        network_accuracy=network_accuracy,
        accuracy=accuracy,
        top5_accuracy=_over_time(tally, "right5", plan.schedule.steps),
        network_top5_accuracy=tally.number("network right5") / images,
        agreement=tally.number("agreeing") / images,
        output_error=tally.output_error,
        steps_to_network_accuracy=_reached(spiking, accuracy, network_accuracy - tolerance),
        tolerance=tolerance,
        neurons=neurons,
        spikes_per_neuron=float(spikes.sum()) / neurons if neurons else 0.0,
        spikes_per_layer={name: float(sums.sum()) / images for name, sums in layers.items()},
        spikes_per_step=spikes.tolist(),
        synaptic_operations=float(operations.sum()),
        synaptic_operations_per_step=operations.tolist(),
        macs=network_macs,
        input_macs=input_macs,
        energy_ratio=energy(input_macs + kept_macs, float(operations.sum())) / energy(network_macs, 0),
        energy_model=energy.source,
        engine=getattr(engine, "__name__", type(engine).__name__),
        seconds=seconds,
        seed=getattr(plan.coding, "seed", None),
        respike_version=__version__,
        complete=complete,
        early_exit=None if early_exit is None else _exits(tally, early_exit),
        analog_macs=kept_macs,
        labelled=tally.number("labelled") > 0,
    )


def _over_time(tally: Tally, name: str, steps: int) -> list[float]:
    """A share of the images after each step; an engine without time gives one for all."""
    shares: list[float] = (tally.counts[name].double() / tally.images).expand(steps).tolist()
    return shares


def _exits(tally: Tally, rule: EarlyExit) -> Exits:
    counts, images = tally.counts["exits"].tolist(), tally.images
    return Exits(
        rule=str(rule),
        steps_used=sum(step * count for step, count in enumerate(counts, start=1)) / images,
        exited=sum(counts[:-1]) / images,
        accuracy=tally.number("exit right") / images,
        agreement=tally.number("exit agreeing") / images,
        exits_per_step=counts,
    )


def _sum_per_step(parts: Iterable[Tensor]) -> Tensor:
    """The sum of sequences, the shorter ones filled up with zeros (populations whose neurons have fewer steps)."""
    return pad_sequence([torch.zeros(1, dtype=torch.float64), *parts]).sum(1)


def _reached(spiking: SpikingNetwork, accuracy: list[float], wanted: float) -> int | None:
    """The steps after which the accuracy stays what is wanted; a layerwise network has one output, at its latency."""
    first = first_to_stay(accuracy, wanted)
    layerwise = isinstance(spiking.plan.schedule, Layerwise)
    return latency(spiking.network, spiking.plan) if layerwise and first is not None else first


def first_to_stay(accuracy: list[float], wanted: float) -> int | None:
    """The first step from which on the accuracy never falls below what is wanted."""
    first = None
    for step, value in reversed(list(enumerate(accuracy, start=1))):
        if value < wanted - 1e-9:
            break
        first = step
    return first
