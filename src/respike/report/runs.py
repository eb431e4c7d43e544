"""A conversion that was measured, with what an engine showed meanwhile: decisions over time, and the work of layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from respike.cost import HOROWITZ_45NM, EnergyModel, analog_operations, macs
from respike.engines import Engine, fastest
from respike.ir import Activation, Input, Network, Node
from respike.measure import Report, measure
from respike.measure.batches import Labelled
from respike.plan import Plan
from respike.record import INPUT, Probe, Recording
from respike.spiking import SpikingNetwork
from respike.typed import SPIKING, check_kind


@dataclass(frozen=True, eq=False)
class LayerWork:
    """What a population, or a node that does not spike, takes for an image, on average over all images.

    Args:
        name: the population's or the node's.
        kind: `"spikes"`, `"input"`, or what computes with numbers: the kind of the analog node (`"Softmax"`), `"held"`
            for a value that is held.
        neurons: how many values it has.
        macs: multiply-accumulates, once for an image; 0 where spikes are sent.
        original_macs: multiply-accumulates of the layers and products that read its values, in the network itself;
            where one reads the values of several, an equal share of it.
        spikes: sent until the end of each step, `[steps]`; none where it does not spike.
        operations: additions until then, every spike times its real fan-out, `[steps]`.
    """

    name: str
    kind: str
    neurons: int
    macs: float
    original_macs: float
    spikes: Tensor
    operations: Tensor

    def at(self, steps: Sequence[int]) -> tuple[list[float], list[float]]:
        """Spikes and additions until the end of each of some steps; what has ended until then counts whole."""
        if not len(self.spikes):
            return [0.0] * len(steps), [0.0] * len(steps)
        places = torch.tensor(steps).clamp(max=len(self.spikes)) - 1
        return self.spikes[places].tolist(), self.operations[places].tolist()


@dataclass(frozen=True, eq=False)
class Run:
    """A conversion that was measured.

    Args:
        spiking: the converted network.
        report: what was measured.
        decisions: what it decided after each step that has an output (`Report.times`), `[times, images]`.
        layers: the work of each population and of each node that does not spike, in the network's order.
        energy: the energy model of the report.
    """

    spiking: SpikingNetwork
    report: Report
    decisions: Tensor
    layers: tuple[LayerWork, ...]
    energy: EnergyModel = HOROWITZ_45NM

    @property
    def decided(self) -> Tensor:
        """What it decided in the end, `[images]`."""
        return self.decisions[-1]


class Witness:
    """An engine that lets another one simulate, and notes what was decided, and who spent what.

    Args:
        engine: who simulates.
        network_too: note what the network itself decides as well.
    """

    def __init__(self, engine: Engine, *, network_too: bool = False) -> None:
        self.__name__ = getattr(engine, "__name__", type(engine).__name__)
        self._engine = engine
        self._network_too = network_too
        self._batches: list[_Batch] = []
        self._network: list[Tensor] = []
        self._fan_out: Mapping[str, Tensor] = {}

    def __call__(
        self, network: Network, plan: Plan, images: Tensor, probe: Probe | None = None, *, first_image: int = 0
    ) -> Recording:
        """Simulates."""
        record = self._engine(network, plan, images, probe, first_image=first_image)
        if self._network_too:
            self._network.append(network(plan.still(images)).argmax(-1).cpu())
        if probe is not None and probe.fan_out:
            self._fan_out = probe.fan_out
        decisions = record.outputs_over_time.argmax(-1).to(torch.int32).cpu()
        self._batches.append(_Batch(decisions, record.spikes_per_step, record.operations_per_step))
        return record

    def network_decisions(self, images: int) -> Tensor:
        """What the network decided for the first so many images, `[images]`."""
        return torch.cat(self._network)[:images]

    def run(self, spiking: SpikingNetwork, report: Report, energy: EnergyModel = HOROWITZ_45NM) -> Run:
        """The run that was watched.

        Args:
            spiking: the converted network.
            report: what `measure` found with this engine.
            energy: the energy model of the report.
        """
        # An interrupt may come after a batch was simulated and before it was counted.
        counted, images = [], 0
        for batch in self._batches:
            if images >= report.images:
                break
            counted.append(batch)
            images += batch.decisions.shape[1]
        decisions = torch.cat([batch.decisions for batch in counted], dim=1)
        return Run(spiking, report, decisions, tuple(self._layers(spiking, counted, images)), energy)

    def _layers(self, spiking: SpikingNetwork, batches: Sequence[_Batch], images: int) -> list[LayerWork]:
        network, plan = spiking.network, spiking.plan
        analog = analog_operations(network, plan, self._fan_out)
        original = _original_macs(network, plan)

        def summed(counts: Sequence[Mapping[str, Tensor]], name: str) -> Tensor:
            """Until the end of each step, for an image; empty where nothing was counted."""
            parts = [one[name].double().cpu() for one in counts if name in one]
            return torch.stack(parts).sum(0).cumsum(0) / images if parts else torch.zeros(0, dtype=torch.float64)

        def work(name: str, kind: str, neurons: int, macs: float) -> LayerWork:
            spikes, operations = (
                summed(counts, name)
                for counts in ([one.spikes for one in batches], [one.operations for one in batches])
            )
            return LayerWork(name, kind, neurons, macs, original.get(name, 0.0), spikes, operations)

        given = 0.0 if plan.coding.spiking else float(self._fan_out[INPUT].sum())
        found = [work(INPUT, "input", sum(network.neurons(node.name) for node in network.inputs), given)]
        for node in network.nodes:
            if node.name in plan.sites:
                found.append(work(node.name, "spikes", network.neurons(node.name), 0.0))
            elif node.name in analog:
                kind = "held" if node.name in plan.held else _kind(node)
                found.append(work(node.name, kind, network.neurons(node.name), analog[node.name]))
        return found


def observe(
    spiking: SpikingNetwork,
    dataset: Labelled,
    *,
    engine: Engine | None = None,
    energy: EnergyModel = HOROWITZ_45NM,
    **options: Any,
) -> Run:
    """Measures a converted network as `measure` does, and keeps what a page shows beside it.

    Args:
        spiking: the converted network.
        dataset: what `measure` takes.
        engine: who simulates; the fastest that can unless given.
        energy: the energy model.
        options: other options of `measure`.

    Raises what `measure` raises.
    """
    check_kind("spiking", spiking, SpikingNetwork, SPIKING)
    witness = Witness(engine or fastest(spiking.network, spiking.plan))
    return witness.run(spiking, measure(spiking, dataset, engine=witness, energy=energy, **options), energy)


@dataclass(frozen=True, eq=False)
class _Batch:
    """What was seen of a batch; `spikes` and `operations` are sums over its images in each step, by population."""

    decisions: Tensor
    spikes: Mapping[str, Tensor]
    operations: Mapping[str, Tensor]


def _kind(node: Node) -> str:
    """The kind of a node in a word: the function of an activation, else the operation."""
    return type(node.function if isinstance(node, Activation) else node).__name__


def _original_macs(network: Network, plan: Plan) -> dict[str, float]:
    """Multiply-accumulates of the network itself, by whose values they multiply; they add up to all of them."""
    own = {*plan.sites, *plan.analog, *plan.held}
    behind: dict[str, frozenset[str]] = {}
    found: dict[str, float] = {}
    products = macs(network)
    for node in network.nodes:
        read = frozenset[str]().union(*(behind[name] for name in node.inputs))
        for name in read:
            found[name] = found.get(name, 0.0) + products.get(node.name, 0) / len(read)
        behind[node.name] = frozenset([INPUT if isinstance(node, Input) else node.name]) if _starts(node, own) else read
    return found


def _starts(node: Node, own: Collection[str]) -> bool:
    """Whether values begin at a node: what reads them pays for them, and no longer for what they were made of."""
    return isinstance(node, Input) or node.name in own
