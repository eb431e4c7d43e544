"""`Report`: what was measured, from the sums over all images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from torch import Tensor

from respike.cost import EnergyModel, interval, latency
from respike.engines import Engine
from respike.errors import InvalidFile, InvalidOption, UnknownName
from respike.intervals import by_chance, wilson
from respike.measure.early_exit import EarlyExit
from respike.measure.tally import MARGIN_UNITS, Tally
from respike.measure.work import worked
from respike.spiking import SpikingNetwork
from respike.summarised import Summarised, called, counted
from respike.typed import of_json
from respike.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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


USELESS = 0.05
"""What loses more accuracy than this is on no front, however little it costs: nobody would use it."""


@dataclass(frozen=True)
class Cost:
    """What a run gives and costs if it ends after a step; counts are per image.

    Args:
        step: the step.
        accuracy: the accuracy after it.
        low: the lower end of the accuracy's 95 % confidence interval (Wilson).
        high: its upper end.
        spikes_per_neuron: spikes of a neuron until then, on average over all of them.
        synaptic_operations: every spike until then times its real fan-out.
        energy_ratio: the spiking network's energy until then over the network's.
        margin: how clear its decisions are, see `Report.margin`; None in reports of older versions.
    """

    step: int
    accuracy: float
    low: float
    high: float
    spikes_per_neuron: float
    synaptic_operations: float
    energy_ratio: float
    margin: float | None = None


@dataclass(frozen=True, repr=False)
class Report(Summarised):
    """What was measured. Lists have one value per time step, counts are per image, accuracies are fractions.

    A spiking network can be read after every step, and its answer stands long before the last one as a rule. So a
    report has two costs: `headline`, at the step from which on the accuracy stays, and `end`, after all steps. Where
    the output is there only at the end (few-spikes networks, engines without time), both are one, and lists of
    accuracies and energies have one value.

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
        tolerance: by how much the accuracy may fall short and still count as reached; a whole number of decisions.
        neurons: how many spiking neurons there are.
        spikes_per_neuron: spikes of a neuron, on average over all of them.
        spikes_per_layer: spikes of each population.
        spikes_per_step: spikes of all populations in each step.
        synaptic_operations: every spike times its real fan-out, the input's too where the coding spikes.
        synaptic_operations_per_step: the same in each step.
        macs: multiply-accumulates of the network itself.
        input_macs: multiply-accumulates of an analog input, once per image: a constant current is computed once.
        energy_ratio: the spiking network's energy after all steps over the network's, under the energy model named.
        energy_model: the source of the energy model.
        engine: who simulated.
        seconds: how long this run took; what was resumed took its own time.
        seed: of a random input coding.
        respike_version: the version that measured.
        complete: False where the run was interrupted.
        early_exit: what leaving early gives, where it was asked for; everything else is without it.
        analog_macs: multiply-accumulates of what the plan lets stay analog, in all steps.
        labelled: False where the images had no labels: what the network decides then counts as right, so that every
            accuracy is an agreement with it.
        energy_over_time: the energy ratio of a run that ends after each step; empty in reports of older versions.
        rounded_accuracy: the accuracy of the network itself with activations rounded to the levels that the spiking
            neurons have (see `measure.rounded`); None where they have no evenly spaced ones.
        margin: how clear decisions are after each step: the lead of the class that the network decides on, as a share
            of its lead in the network, from -1 to 1, on average over the images. It still tells conversions apart whose
            decisions are all the same. Empty in reports of older versions.
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
    energy_over_time: Sequence[float] = ()
    rounded_accuracy: float | None = None
    margin: Sequence[float] = ()

    @property
    def times(self) -> Sequence[int]:
        """The steps after which there is an accuracy: all, or the last one alone."""
        return range(1, self.steps + 1) if len(self.accuracy) == self.steps > 1 else (self.latency,)

    @property
    def end(self) -> Cost:
        """What the run gives and costs after all steps."""
        return self._cost(-1, self.spikes_per_neuron, self.synaptic_operations, self.energy_ratio)

    @property
    def headline(self) -> Cost:
        """What it gives and costs at the step from which on the accuracy stays; after all steps where it never does."""
        step = self.steps_to_network_accuracy
        return self.end if step is None else self.after(step)

    def after(self, step: int) -> Cost:
        """What the run gives and costs if it ends after a step.

        Args:
            step: one of `times`.

        Raises:
            InvalidOption: there is no output after that step.
        """
        if step not in self.times:
            raise InvalidOption(f"there is no output after step {step}, only after {_range(self.times)}")
        if step == self.latency or len(self.energy_over_time) < 2:
            return self.end
        place = step - self.times[0]
        spikes = sum(self.spikes_per_step[:step]) / self.neurons if self.neurons else 0.0
        operations = sum(self.synaptic_operations_per_step[:step])
        return self._cost(place, spikes, operations, self.energy_over_time[place])

    @property
    def decisions(self) -> int:
        """The tolerance as a number of images."""
        return round(self.tolerance * self.images)

    @property
    def _rounded(self) -> str:
        plain = self.rounded_accuracy
        return "" if plain is None else f", rounded to the same levels {100 * plain:.2f} %"

    def _cost(self, place: int, spikes: float, operations: float, energy: float) -> Cost:
        accuracy, margin = self.accuracy[place], self.margin[place] if self.margin else None
        return Cost(
            self.times[place], accuracy, *wilson(accuracy, self.images), spikes, operations, energy, margin=margin
        )

    def _summary(self) -> tuple[str, dict[str, str]]:
        reached, end, head = self.steps_to_network_accuracy, self.end, self.headline
        allowed = f"{self.decisions:,} of {self.images:,} decisions of the network's"
        part = "" if self.complete else " (interrupted)"
        later = head.step != end.step
        return f"Report: {called(self.method, self.options.items())} on {self.network}", {
            "measured": counted(self.images, "image") + (f" of {self.dataset}" if self.dataset else "") + part,
            "accuracy" if self.labelled else "agreement": (
                f"{_percent(head)} after {head.step} steps"
                + (f", {_percent(end)} after {end.step}" if later else "")
                + f"; the network {100 * self.network_accuracy:.2f} %{self._rounded}"
            ),
            "stays": (f"never within {allowed}" if reached is None else f"within {allowed} from step {reached} on"),
            "spikes": (
                f"{head.spikes_per_neuron:.2f} per neuron and image"
                + (f" (all steps: {end.spikes_per_neuron:.2f})" if later else "")
                + f", {self.neurons:,} neurons"
            ),
            "operations": (
                f"{head.synaptic_operations:,.0f} additions per image"
                + (f" (all steps: {end.synaptic_operations:,.0f})" if later else "")
                + f", the network {self.macs:,} MACs"
            ),
            "energy": (
                f"{head.energy_ratio:.3g} times the network's arithmetic"
                + (f" (all steps: {end.energy_ratio:.3g})" if later else "")
                + f", {self.energy_model}"
            ),
        }

    def plot(self, against: str = "time", *, axes: Axes | None = None) -> Axes:
        """Draws the accuracy over time, or over the energy that is spent until then.

        The axis of accuracy is logarithmic in the error, so that the last tenths of a point can be seen. Dashed lines
        are the network itself. The large point is the headline. `report.accuracy_over_time` draws several reports in
        one figure.

        Args:
            against: "time" (steps) or "energy" (as a multiple of the network's).
            axes: where to draw, for example `pyplot.gca()`; a figure of its own unless given, which no window knows of.

        Returns:
            The axes; `.figure.savefig(...)` writes them.

        Raises:
            UnknownName: accuracy cannot be drawn against that.
        """
        from respike.drawing import AGAINST, blank

        if against not in AGAINST:
            raise UnknownName("axis", against, AGAINST)
        axes = blank().subplots() if axes is None else axes
        AGAINST[against](axes, self, self.method or "by hand")
        return axes

    def to_json(self) -> str:
        """The report as JSON, with its two costs beside what it holds."""
        return json.dumps(vars(self) | {"headline": self.headline, "end": self.end}, indent=1, default=_plain)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """The report that `to_json` wrote.

        Args:
            text: the JSON.

        Raises:
            InvalidFile: it is no report, or one of another version.
        """
        report = of_json(cls, text, "the text", "a report", beside=("headline", "end"))
        over_time = (report.accuracy, report.top5_accuracy, report.energy_over_time, report.margin)
        even = all(len(values) in {1, report.steps} for values in over_time if values)
        first = report.steps_to_network_accuracy
        if not (report.accuracy and even and report.images >= 1) or first not in (None, *report.times):
            raise InvalidFile("the text is not a report of this version: it has not one value for each step")
        return report


def _plain(value: object) -> object:
    return asdict(value) if isinstance(value, Exits | Cost) else str(value)


def _percent(cost: Cost) -> str:
    return f"{100 * cost.accuracy:.2f} % ({100 * cost.low:.2f} to {100 * cost.high:.2f})"


def _range(times: Sequence[int]) -> str:
    return f"{times[0]}" if len(times) == 1 else f"{times[0]} to {times[-1]}"


def report(
    spiking: SpikingNetwork,
    tally: Tally,
    fan_out: Mapping[str, Tensor],
    *,
    energy: EnergyModel,
    tolerance: float | None,
    dataset_name: str,
    engine: Engine,
    seconds: float,
    complete: bool,
    early_exit: EarlyExit | None,
) -> Report:
    """The report on the images of a tally."""
    network, plan, images = spiking.network, spiking.plan, tally.images
    work = worked(spiking, tally, fan_out, energy)
    accuracy = _over_time(tally, "right")
    network_right = tally.number("network right")
    within = by_chance(network_right / images, images) if tolerance is None else int(tolerance * images + 1e-9)
    first = first_to_stay(tally.counts["right"].reshape(-1).tolist(), network_right - within)
    done = latency(network, plan)
    missing = [0.0] * (len(accuracy) - len(work.operations))
    at_each = accumulate(work.operations.tolist() + missing) if len(accuracy) > 1 else [work.synaptic_operations]
    return Report(
        network=network.origin,
        method=plan.title,
        options=dict(plan.settings),
        dataset=dataset_name,
        images=images,
        steps=plan.schedule.steps,
        latency=done,
        interval=interval(network, plan),
        network_accuracy=network_right / images,
        accuracy=accuracy,
        top5_accuracy=_over_time(tally, "right5"),
        network_top5_accuracy=tally.number("network right5") / images,
        agreement=tally.number("agreeing") / images,
        output_error=tally.output_error,
        steps_to_network_accuracy=done if first is not None and len(accuracy) == 1 else first,
        tolerance=within / images,
        neurons=work.neurons,
        spikes_per_neuron=work.spikes_per_neuron,
        spikes_per_layer=work.spikes_per_layer,
        spikes_per_step=work.spikes.tolist(),
        synaptic_operations=work.synaptic_operations,
        synaptic_operations_per_step=work.operations.tolist(),
        macs=work.macs,
        input_macs=work.input_macs,
        energy_ratio=work.energy_ratio(work.synaptic_operations),
        energy_model=energy.source,
        engine=getattr(engine, "__name__", type(engine).__name__),
        seconds=seconds,
        seed=getattr(plan.coding, "seed", None),
        respike_version=__version__,
        complete=complete,
        early_exit=None if early_exit is None else _exits(tally, early_exit),
        analog_macs=work.analog_macs,
        labelled=tally.number("labelled") > 0,
        energy_over_time=[work.energy_ratio(so_far, (n + 1) / len(accuracy)) for n, so_far in enumerate(at_each)],
        rounded_accuracy=tally.number("rounded right") / images if "rounded right" in tally.counts else None,
        margin=(tally.counts["margin"].double() / MARGIN_UNITS / images).reshape(-1).tolist(),
    )


def _over_time(tally: Tally, name: str) -> list[float]:
    """A share of the images after each step; of an engine without time there is one."""
    shares: list[float] = (tally.counts[name].double() / tally.images).reshape(-1).tolist()
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


def first_to_stay(right: Sequence[int], wanted: int) -> int | None:
    """The first step from which on the number of right decisions never falls below what is wanted."""
    first = None
    for step, value in reversed(list(enumerate(right, start=1))):
        if value < wanted:
            break
        first = step
    return first


def names(reports: Sequence[Report]) -> tuple[str, ...]:
    """A name for each report: its method, with the options that differ where a method is there twice."""
    found = []
    for report in reports:
        twins = [other for other in reports if other.method == report.method]
        differ = [
            name
            for name, value in report.options.items()
            if any(str(twin.options.get(name)) != str(value) for twin in twins)
        ]
        told = ", ".join(f"{name}={report.options[name]}" for name in differ)
        found.append(f"{report.method} ({told})" if told else report.method)
    return tuple(found)
