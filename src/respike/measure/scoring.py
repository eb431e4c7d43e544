"""The verb `score`: how well a conversion does by a metric, where outputs are no classes of whole images."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from respike import metrics
from respike.bounds import Bounds
from respike.cost import HOROWITZ_45NM, EnergyModel, fan_outs, latency
from respike.engines import Engine, check_engine, fastest
from respike.errors import InvalidData, InvalidFile, InvalidNetwork, InvalidOption
from respike.measure.batches import Batch, Labelled, batches, size
from respike.measure.memory import check_memory
from respike.measure.rounded import outputs_and_rounded
from respike.measure.tally import Tally, decode, spent
from respike.measure.work import check_computes, worked
from respike.progress import Progress, shown, silent
from respike.record import Probe
from respike.simulate import simulate
from respike.spiking import SpikingNetwork
from respike.summarised import Summarised, called, counted
from respike.typed import SPIKING, check_kind, of_json
from respike.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class Score(Summarised):
    """A metric over time, of a spiking network and of the network itself.

    Args:
        network: where the network came from.
        method: the plan's method.
        options: its options.
        dataset: the data set's name, if it has one.
        images: how many were measured.
        steps: time steps of the simulation.
        latency: steps until the output is complete.
        metric: the metric's name.
        larger_is_better: whether a larger value is a better one.
        labelled: False where there were no targets: the network's own outputs then stand in for them.
        network_value: the metric of the network itself.
        values: the metric of the spiking network, had the run ended after each step; one value of an engine without
            time.
        rounded_value: the metric of the network with activations rounded to the levels that the spiking neurons have
            (see `measure.rounded`); None where they have no evenly spaced ones.
        spikes_per_neuron: spikes of a neuron and image, on average over all of them.
        synaptic_operations: every spike times its real fan-out, for each image.
        macs: multiply-accumulates of the network itself.
        energy_ratio: the spiking network's energy after all steps over the network's, under the energy model named.
        energy_model: the source of the energy model.
        engine: who simulated.
        seconds: how long the run took.
        respike_version: the version that measured.
    """

    network: str
    method: str
    options: Mapping[str, object]
    dataset: str
    images: int
    steps: int
    latency: int
    metric: str
    larger_is_better: bool
    labelled: bool
    network_value: float
    values: Sequence[float]
    rounded_value: float | None
    spikes_per_neuron: float
    synaptic_operations: float
    macs: int
    energy_ratio: float
    energy_model: str
    engine: str
    seconds: float
    respike_version: str

    @property
    def times(self) -> Sequence[int]:
        """The steps after which there is a value: all, or the last one alone."""
        return range(1, self.steps + 1) if len(self.values) == self.steps > 1 else (self.latency,)

    @property
    def value(self) -> float:
        """The metric of the spiking network after all steps."""
        return self.values[-1]

    def plot(self, *, axes: Axes | None = None) -> Axes:
        """Draws the metric after each step; dashed lines are the network itself, and the rounded one if there is one.

        Args:
            axes: where to draw, for example `pyplot.gca()`; a figure of its own unless given, which no window knows of.

        Returns:
            The axes; `.figure.savefig(...)` writes them.
        """
        from respike.drawing import blank, metric_panel

        axes = blank().subplots() if axes is None else axes
        lines = {"network": self.network_value}
        if self.rounded_value is not None:
            lines["rounded to as many levels"] = self.rounded_value
        metric_panel(axes, self.times, self.values, lines, self.metric, self.network)
        return axes

    def to_json(self) -> str:
        """The score as JSON."""
        return json.dumps(vars(self), indent=1, default=str)

    @classmethod
    def from_json(cls, text: str) -> Score:
        """The score that `to_json` wrote.

        Args:
            text: the JSON.

        Raises:
            InvalidFile: it is no score, or one of another version.
        """
        score = of_json(cls, text, "the text", "a score")
        if score.images < 1 or score.steps < 1 or len(score.values) not in {1, score.steps}:
            raise InvalidFile("the text is not a score of this version: it has not one value for each step")
        return score

    def _summary(self) -> tuple[str, dict[str, str]]:
        rounded = "" if self.rounded_value is None else f", rounded to the same levels {self.rounded_value:.6g}"
        return f"Score: {called(self.method, self.options.items())} on {self.network}", {
            "measured": counted(self.images, "image") + (f" of {self.dataset}" if self.dataset else ""),
            "against": "targets" if self.labelled else "the network's own outputs",
            self.metric: (
                f"{self.value:.6g} after {self.times[-1]} steps; the network {self.network_value:.6g}{rounded} "
                f"({'larger' if self.larger_is_better else 'smaller'} is better)"
            ),
            "spikes": f"{self.spikes_per_neuron:.2f} per neuron and image",
            "operations": f"{self.synaptic_operations:,.0f} additions per image, the network {self.macs:,} MACs",
            "energy": f"{self.energy_ratio:.3g} times the network's arithmetic, {self.energy_model}",
        }


@dataclass
class _Sums:
    """What the batches have contributed to the metric of each network."""

    metric: metrics.Metric
    spiking: Tensor | float = 0.0
    network: Tensor | float = 0.0
    rounded: Tensor | float | None = 0.0

    def add(self, targets: Tensor, network: Tensor, over_time: Tensor, rounded: Tensor | None) -> None:
        self.network = self.network + self.metric.sums(network, targets)
        self.spiking = self.spiking + torch.stack([self.metric.sums(outputs, targets) for outputs in over_time])
        if rounded is None or self.rounded is None:
            self.rounded = None
        else:
            self.rounded = self.rounded + self.metric.sums(rounded.cpu(), targets)

    def value(self, sums: Tensor | float) -> float:
        return self.metric.value(torch.as_tensor(sums))


def score(
    spiking: SpikingNetwork,
    dataset: Labelled,
    metric: metrics.Metric,
    *,
    engine: Engine | None = None,
    energy: EnergyModel = HOROWITZ_45NM,
    limit: int | None = None,
    dataset_name: str = "",
    progress: Progress | bool = silent,
) -> Score:
    """Runs a converted network and the network itself over a data set, and compares their outputs by a metric.

    For outputs that are no classes of whole images: regression, segmentation, embeddings. Outputs after each step are
    taken in the units of the network's. Images without targets are compared with the network's own outputs.

    Args:
        spiking: the converted network.
        dataset: images `[images, *shape]` with targets as the metric takes them, or batches of both; or images alone.
        metric: one of `respike.metrics`, or another `Metric`.
        engine: who simulates; the fastest that can unless given.
        energy: the energy model behind `energy_ratio`.
        limit: the number of images at most; all unless said.
        dataset_name: for the score.
        progress: called after each batch with the number of images up to its end; True draws a bar.

    Raises:
        InvalidData: no images, wrong shapes, NaN or infinite values, outputs or targets that the metric cannot take.
        InvalidNetwork: the network itself gives NaN or infinite outputs, or has no layers with weights.
        InvalidOption: what is no metric, a limit below 1, or so many steps that memory cannot hold their outputs.
    """
    check_kind("spiking", spiking, SpikingNetwork, SPIKING)
    check_engine(engine)
    if isinstance(metric, type) or not isinstance(metric, metrics.Metric):
        known = ", ".join(f"{one.__name__}()" for one in metrics.ALL)
        raise InvalidOption(f"metric must be a value of respike.metrics ({known}) or one like them, got {metric!r}")
    if limit is not None:
        Bounds(1, whole=True).check("limit", limit)
    check_computes(spiking.network)
    check_memory(spiking)
    network, plan = spiking.network, spiking.plan
    shape = network.shapes[network.outputs[0]]
    metric.check((1, *shape), None)
    engine = engine or fastest(network, plan)
    fan_out = fan_outs(network, plan)
    counts, sums, labelled = Tally(), _Sums(metric), False

    def simulated(batch: Batch) -> Tally:
        still = plan.still(batch.images)
        outputs, rounded = outputs_and_rounded(network, plan, still)
        if not bool(torch.isfinite(outputs).all()):
            raise InvalidNetwork(f"the network itself gives NaN or infinite outputs before image {batch.stop}")
        record = simulate(
            spiking,
            batch.images,
            Probe(spike_counts=False, fan_out=fan_out),
            engine=engine,
            first_image=batch.first_image,
        )
        outputs = outputs.cpu()
        targets = metric.own(outputs) if batch.labels is None else batch.labels.cpu()
        over_time = decode(record.outputs_over_time.cpu(), plan)
        sums.add(targets, outputs, over_time, rounded)
        return Tally({"images": torch.tensor(len(batch.images)), **spent(record)})

    def check(targets: Tensor, images: int) -> None:
        metric.check((images, *shape), targets)

    started = time.perf_counter()
    doing, images = f"{network.origin} {plan.method}", size(dataset, limit)
    with shown(progress) as told:
        for batch in batches(dataset, spiking, limit, itertools.count(), check):
            counts += simulated(batch)
            labelled = batch.labels is not None  # of all batches of a data set, or of none
            told(doing, batch.stop, images)
    if not counts.images:
        raise InvalidData("no image was measured")
    work = worked(spiking, counts, fan_out, energy)
    return Score(
        network=network.origin,
        method=plan.title,
        options=dict(plan.settings),
        dataset=dataset_name,
        images=counts.images,
        steps=plan.schedule.steps,
        latency=latency(network, plan),
        metric=metric.name,
        larger_is_better=metric.larger_is_better,
        labelled=labelled,
        network_value=sums.value(sums.network),
        values=[sums.value(step) for step in torch.as_tensor(sums.spiking)],
        rounded_value=None if sums.rounded is None else sums.value(sums.rounded),
        spikes_per_neuron=work.spikes_per_neuron,
        synaptic_operations=work.synaptic_operations,
        macs=work.macs,
        energy_ratio=work.energy_ratio(work.synaptic_operations),
        energy_model=energy.source,
        engine=getattr(engine, "__name__", type(engine).__name__),
        seconds=time.perf_counter() - started,
        respike_version=__version__,
    )
