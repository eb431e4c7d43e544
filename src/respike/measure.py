"""The verb `measure`: what a conversion costs and gains, over a data set."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from respike.engines import Engine, fastest
from respike.errors import InvalidData
from respike.ir import Network
from respike.metrics import HOROWITZ_45NM, EnergyModel, fan_outs, interval, latency, macs
from respike.record import INPUT, OUTPUT, Probe, Recording
from respike.schedule import Layerwise
from respike.simulate import simulate
from respike.spiking import SpikingNetwork
from respike.version import __version__

Labelled: TypeAlias = tuple[Tensor, Tensor] | Iterable[Sequence[Tensor]]
"""Images and labels as two tensors, or an iterable of such batches (a data set, a `DataLoader`)."""

BATCH_SIZE = 64
Progress: TypeAlias = Callable[[int], None]


@dataclass(frozen=True)
class Report:
    """What was measured. Lists have one value per time step; counts are per image.

    Accuracies are fractions. `synaptic_operations` counts every spike times its real fan-out, the input's too where the
    coding spikes; `input_macs` are the multiply-accumulates of an analog input, once per image (a constant current is
    computed once). `energy_ratio` is the spiking network's energy over the network's, under the energy model named.
    `latency` is the number of steps until an image's output is complete, `interval` that after which the next image can
    follow. `steps_to_network_accuracy` is the first step from which on the accuracy stays within `tolerance` of the
    network's; None where it never does. `complete` is False where the run was interrupted.
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

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(vars(self), indent=1, default=str)


def measure(
    spiking: SpikingNetwork,
    dataset: Labelled,
    *,
    engine: Engine | None = None,
    energy: EnergyModel = HOROWITZ_45NM,
    tolerance: float = 0.0005,
    limit: int | None = None,
    dataset_name: str = "",
    progress: Progress | None = None,
) -> Report:
    """Runs a converted network and the network itself over a labelled data set, and reports both.

    Ctrl-C ends the run early; the report then covers the images that were finished, and says so. Before the first
    batch is finished there is nothing to report, and the interrupt passes through.

    Args:
        spiking: the converted network.
        dataset: images `[images, *shape]` with integer labels `[images]`, or batches of them.
        engine: who simulates; the fastest that can unless given.
        energy: the energy model behind `energy_ratio`.
        tolerance: by how much accuracy may fall short of the network's and still count as reached.
        limit: the number of images at most; all unless said.
        dataset_name: for the report.
        progress: called after each batch with the number of images finished.

    Raises:
        InvalidData: no images, wrong shapes, labels that are not integers or do not fit.
    """
    network = spiking.network
    engine = engine or fastest(spiking.plan)
    fan_out = fan_outs(network)
    tally = _Tally(spiking.plan.schedule.steps)
    started = time.perf_counter()
    complete = True
    try:
        for images, labels in _batches(dataset, network, limit):
            tally.network(network(images), labels)
            record = simulate(
                spiking, images, Probe(spike_counts=False, fan_out=fan_out), engine=engine, first_image=tally.images
            )
            tally.spiking(record, labels, spiking.decoding)
            if progress is not None:
                progress(tally.images)
    except KeyboardInterrupt:
        if not tally.images:
            raise
        complete = False
    if not tally.images:
        raise InvalidData("no image was measured")
    return _report(
        spiking, tally, fan_out, energy, tolerance, dataset_name, engine, time.perf_counter() - started, complete
    )


class _Tally:
    """Sums over the images seen so far."""

    def __init__(self, steps: int) -> None:
        self.images = 0
        self.network_right = self.network_right5 = 0
        self.right = torch.zeros(steps, dtype=torch.float64)
        self.right5 = torch.zeros(steps, dtype=torch.float64)
        self.agreeing = 0
        self.error = self.power = 0.0
        self.spikes: dict[str, Tensor] = {}
        self.operations: dict[str, Tensor] = {}

    def network(self, outputs: Tensor, labels: Tensor) -> None:
        self._outputs = outputs
        self._network_right = int(_right(outputs, labels, 1))
        self._network_right5 = int(_right(outputs, labels, 5))

    def spiking(self, record: Recording, labels: Tensor, decoding: float) -> None:
        """Takes a batch only once it is whole, so that an interrupt leaves both sides with the same images."""
        outputs = record.outputs_over_time
        self.right += _right(outputs, labels, 1)
        self.right5 += _right(outputs, labels, 5)
        self.agreeing += int((outputs[-1].argmax(-1) == self._outputs.argmax(-1)).sum())
        self.error += float((outputs[-1] / decoding - self._outputs).double().square().sum())
        self.power += float(self._outputs.double().square().sum())
        for name in record.spikes_per_step:
            self.spikes[name] = self.spikes.get(name, 0) + record.spikes_per_step[name]
            self.operations[name] = self.operations.get(name, 0) + record.operations_per_step[name]
        self.network_right += self._network_right
        self.network_right5 += self._network_right5
        self.images += len(labels)


def _right(outputs: Tensor, labels: Tensor, k: int) -> Tensor:
    """How many of the batch have their label among the k largest outputs; `[steps]` where outputs have steps."""
    if k == 1:
        return (outputs.argmax(-1) == labels).sum(-1)
    best = outputs.topk(min(k, outputs.shape[-1]), dim=-1).indices
    return (best == labels.unsqueeze(-1)).any(-1).sum(-1)


def _report(
    spiking: SpikingNetwork,
    tally: _Tally,
    fan_out: Mapping[str, Tensor],
    energy: EnergyModel,
    tolerance: float,
    dataset_name: str,
    engine: Engine,
    seconds: float,
    complete: bool,
) -> Report:
    network, plan, images = spiking.network, spiking.plan, tally.images
    layers = {name: spikes for name, spikes in tally.spikes.items() if name not in (INPUT, OUTPUT)}
    # The same neurons stand for several activations in an unrolled recurrent network.
    populations = {node.population or node.name: network.neurons(node.name) for node in network.activations}
    neurons = sum(populations.values())
    spikes = _sum_per_step(layers.values()) / images
    operations = _sum_per_step(tally.operations.values()) / images
    input_macs = 0.0 if plan.coding.spiking else float(fan_out[INPUT].sum())
    network_macs = sum(macs(network).values())
    accuracy = (tally.right / images).tolist()
    network_accuracy = tally.network_right / images
    return Report(
        network=network.origin,
        method=plan.method,
        options=dict(plan.options),
        dataset=dataset_name,
        images=images,
        steps=plan.schedule.steps,
        latency=latency(network, plan),
        interval=interval(network, plan),
        network_accuracy=network_accuracy,
        accuracy=accuracy,
        top5_accuracy=(tally.right5 / images).tolist(),
        network_top5_accuracy=tally.network_right5 / images,
        agreement=tally.agreeing / images,
        output_error=math.sqrt(tally.error / tally.power) if tally.power else 0.0,
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
        energy_ratio=energy(input_macs, float(operations.sum())) / energy(network_macs, 0),
        energy_model=energy.source,
        engine=getattr(engine, "__name__", type(engine).__name__),
        seconds=seconds,
        seed=getattr(plan.coding, "seed", None),
        respike_version=__version__,
        complete=complete,
    )


def _sum_per_step(parts: Iterable[Tensor]) -> Tensor:
    """The sum of sequences, the shorter ones filled up with zeros (populations whose neurons have fewer steps)."""
    return pad_sequence([torch.zeros(1, dtype=torch.float64), *parts]).sum(1)


def _reached(spiking: SpikingNetwork, accuracy: list[float], wanted: float) -> int | None:
    """The steps after which the accuracy stays what is wanted; a layerwise network has one output, at its latency."""
    first = _first_to_stay(accuracy, wanted)
    layerwise = isinstance(spiking.plan.schedule, Layerwise)
    return latency(spiking.network, spiking.plan) if layerwise and first is not None else first


def _first_to_stay(accuracy: list[float], wanted: float) -> int | None:
    """The first step from which on the accuracy never falls below what is wanted."""
    first = None
    for step, value in reversed(list(enumerate(accuracy, start=1))):
        if value < wanted - 1e-9:
            break
        first = step
    return first


def _batches(dataset: Labelled, network: Network, limit: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    left = limit if limit is not None else math.inf
    for images, labels in _pieces(dataset):
        take = int(min(left, len(images)))
        if not take:
            return
        network.check_inputs((images,))
        if labels.is_floating_point() or labels.shape != images.shape[:1]:
            raise InvalidData(f"labels must be integers, one per image, got {labels.dtype} {list(labels.shape)}")
        if len(network.shapes[network.outputs[0]]) != 1 or int(labels.max()) >= network.neurons(network.outputs[0]):
            raise InvalidData(
                f"the labels go up to {int(labels.max())}, but the network's output is "
                f"{list(network.shapes[network.outputs[0]])}"
            )
        left -= take
        yield images[:take], labels[:take]


def _pieces(dataset: Labelled) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of the engine's size, whatever the size of the data set's own."""
    batches: Iterable[Sequence[Tensor]]
    match dataset:
        case (Tensor(), Tensor()):
            batches = [dataset]
        case _:
            batches = dataset
    for images, labels in batches:
        for start in range(0, len(images), BATCH_SIZE):
            yield images[start : start + BATCH_SIZE], labels[start : start + BATCH_SIZE]
