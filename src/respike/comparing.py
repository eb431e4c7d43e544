"""The verb `compare`: several conversions of one network, measured on the same images, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar, overload

from torch import Tensor

from respike import methods as known
from respike.calibrate import check_apart
from respike.coding import Coding
from respike.engines import Engine
from respike.errors import Argument, InvalidData, InvalidOption, RespikeError, UnknownName
from respike.ir import Network
from respike.measure import Report, WorkerLost, measure, names
from respike.measure.batches import Labelled
from respike.methods import Method
from respike.progress import Progress, shown, silent
from respike.spiking import SpikingNetwork
from respike.summarised import Summarised, called, counted
from respike.typed import NETWORK, check_kind

T = TypeVar("T")
Named: TypeAlias = str | Method[Any]
"""A method, or the name of one of respike's."""


@dataclass(frozen=True)
class Chosen:
    """One of the methods that are compared, with the options that it is to have."""

    method: Method[Any]
    options: Mapping[str, Any]

    def __str__(self) -> str:
        """As one calls it."""
        return called(self.method.name, self.options.items())

    def convert(self, network: Network, calibration: Tensor | None, coding: Coding | None = None) -> SpikingNetwork:
        """The network as the method converts it, with the input coding that is asked for, or the method's own."""
        plan = self.method.plan(network, calibration, **self.options)
        return SpikingNetwork(network, plan if coding is None else replace(plan, coding=coding))


@dataclass(frozen=True)
class Row:
    """A conversion in a `Comparison`; accuracies are fractions, counts are per image.

    Args:
        method: its name, with the options that differ where a method is there twice.
        accuracy: at the step from which on it stays near the network's; after all steps where it never does.
        low: the lower end of the accuracy's 95 % confidence interval (Wilson).
        high: its upper end.
        step: that step.
        stays: whether there is one.
        spikes_per_neuron: spikes of a neuron until then.
        synaptic_operations: every spike until then times its real fan-out.
        energy_ratio: the spiking network's energy until then over the network's.
        steps: all steps, until the output is complete.
        end_accuracy: the accuracy after all steps.
        end_energy_ratio: the energy after all steps over the network's.
        network_accuracy: the accuracy of the network itself.
        rounded_accuracy: that of the network rounded to as many levels; None where neurons have no even ones.
        images: how many were measured.
    """

    method: str
    accuracy: float
    low: float
    high: float
    step: int
    stays: bool
    spikes_per_neuron: float
    synaptic_operations: float
    energy_ratio: float
    steps: int
    end_accuracy: float
    end_energy_ratio: float
    network_accuracy: float
    rounded_accuracy: float | None
    images: int

    @classmethod
    def of(cls, name: str, report: Report) -> Row:
        """The row of a report."""
        head, end = report.headline, report.end
        return cls(
            method=name,
            accuracy=head.accuracy,
            low=head.low,
            high=head.high,
            step=head.step,
            stays=report.steps_to_network_accuracy is not None,
            spikes_per_neuron=head.spikes_per_neuron,
            synaptic_operations=head.synaptic_operations,
            energy_ratio=head.energy_ratio,
            steps=end.step,
            end_accuracy=end.accuracy,
            end_energy_ratio=end.energy_ratio,
            network_accuracy=report.network_accuracy,
            rounded_accuracy=report.rounded_accuracy,
            images=report.images,
        )

    def __str__(self) -> str:
        """What matters of it, in a sentence."""
        when = f"from step {self.step} on" if self.stays else f"after {self.step} steps, never near the network's"
        return (
            f"{100 * self.accuracy:.2f} % ({100 * self.low:.2f} to {100 * self.high:.2f}) {when}, "
            f"{self.spikes_per_neuron:.2f} spikes per neuron, {self.energy_ratio:.3g} times the network's energy"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Summarised, Sequence[Row]):
    """A row for each conversion: `pandas.DataFrame(comparison)` reads it.

    Args:
        reports: all that was measured, one for each row.
        failed: the methods that cannot convert the network, as they were called, and why.
    """

    reports: Sequence[Report]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The conversions in the order that was asked for."""
        return tuple(Row.of(name, one) for name, one in zip(names(self.reports), self.reports, strict=True))

    def __len__(self) -> int:
        """How many conversions were measured."""
        return len(self.reports)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, place: int | slice) -> Row | tuple[Row, ...]:
        """A row, or some."""
        return self.rows[place]

    def _summary(self) -> tuple[str, dict[str, str]]:
        first = self.reports[0]
        on = counted(first.images, "image") + (f" of {first.dataset}" if first.dataset else "")
        return f"Comparison on {on}", {
            f"network {first.network}": f"{100 * first.network_accuracy:.2f} %",
            **{row.method: str(row) for row in self},
            **{name: f"failed: {why}" for name, why in self.failed.items()},
        }


def compare(
    network: Network,
    methods: Sequence[Named | tuple[Named, Mapping[str, Any]]],
    dataset: Labelled,
    calibration: Tensor | None = None,
    *,
    coding: Coding | None = None,
    engine: Engine | None = None,
    limit: int | None = None,
    dataset_name: str = "",
    progress: Progress | bool = silent,
) -> Comparison:
    """Converts a network by several methods and measures each on the same images.

    All plans are made before the first is measured. A method that cannot convert the network is left out and stands in
    `Comparison.failed`. Ctrl-C ends the comparison and keeps what is finished (see `measure`).

    Args:
        network: the network to convert.
        methods: methods of `respike.methods` or their names, each alone or in a pair with its options:
            `["fit", (methods.max_norm, {"steps": 32})]`.
        dataset: what `measure` takes: images and labels, a `Dataset`, or batches that can be read more than once (a
            list, a `DataLoader`).
        calibration: images from the training set, `[images, *shape]`, for the methods that look at data.
        coding: the input coding of all conversions; each method's own unless given.
        engine: who simulates; the fastest that can unless given.
        limit: the number of images at most; all unless said.
        dataset_name: for the reports.
        progress: called after each batch with the number of images up to its end; True draws a bar.

    Returns:
        A row for each conversion, in the order of `methods`, with all reports.

    Raises:
        InvalidOption: no methods, an unknown method or option, a value out of its range, or calibration is missing.
        InvalidData: the data set can be read only once; or some of the images, where they are given as tensors, are
            calibration images too.
        RespikeError: no method converts the network; the error is the first one's.
    """
    check_kind("network", network, Network, NETWORK)
    wanted = [_chosen(one) for one in _listed(methods)]
    needing = [one.method.name for one in wanted if one.method.needs_calibration]
    if needing and calibration is None:
        raise InvalidOption(f"{needing[0]} looks at training images: give them as ", Argument("calibration"))
    if isinstance(dataset, Iterator):
        raise InvalidData("every method needs the same images, and an iterator gives them once: give list(dataset)")
    images = dataset[0] if isinstance(dataset, tuple) else dataset
    if needing and calibration is not None and isinstance(images, Tensor):
        check_apart(calibration, images[:limit])

    trials = Trials.of(wanted, lambda one: one.convert(network, calibration, coding))
    with shown(progress) as told:

        def measured(spiking: SpikingNetwork) -> Report:
            return measure(spiking, dataset, engine=engine, limit=limit, dataset_name=dataset_name, progress=told)

        reports = finished(trials.each(measured))
    if not reports:
        raise trials.failed[0][1]
    return Comparison(tuple(reports), {str(one): str(error) for one, error in trials.failed})


def _listed(methods: Any) -> Sequence[Any]:
    if isinstance(methods, str | Method | Tensor) or not methods:
        raise InvalidOption("methods is a list with a method in it, or several: ['fit', ('max_norm', {'steps': 32})]")
    return list(methods)


def _chosen(one: Named | tuple[Named, Mapping[str, Any]]) -> Chosen:
    named, options = one if isinstance(one, tuple) else (one, {})
    method = known.find(named) if isinstance(named, str) else named
    for option in options:
        if option not in method.options:
            raise UnknownName(f"option of {method.name}", option, method.options)
    return Chosen(method, options)


@dataclass(frozen=True, eq=False)
class Trials:
    """The conversions of one network by several methods. Those that fail are told at once, and left out.

    Args:
        planned: the methods whose plans were made, with the networks that they gave.
        failed: those that failed, and why; more are added when conversions are tried.
        tell: told of each failure.
    """

    planned: Sequence[tuple[Chosen, SpikingNetwork]]
    failed: list[tuple[Chosen, RespikeError]]
    tell: Callable[[RespikeError], None]

    @classmethod
    def of(
        cls,
        wanted: Iterable[Chosen],
        convert: Callable[[Chosen], SpikingNetwork],
        tell: Callable[[RespikeError], None] = lambda error: None,
    ) -> Trials:
        """All plans first: an option that a method refuses is told before any method is measured."""
        planned: list[tuple[Chosen, SpikingNetwork]] = []
        trials = cls(planned, [], tell)
        for one in wanted:
            try:
                with naming(one.method.name):
                    planned.append((one, convert(one)))
            except InvalidOption:
                raise
            except RespikeError as error:
                trials._fails(one, error)
        return trials

    def each(self, run: Callable[[SpikingNetwork], T]) -> Iterator[T]:
        """What `run` gives for each conversion; it may fail for some of them."""
        for one, spiking in self.planned:
            try:
                with naming(one.method.name):
                    found = run(spiking)
            except WorkerLost:
                raise
            except RespikeError as error:
                self._fails(one, error)
            else:
                yield found

    def _fails(self, one: Chosen, error: RespikeError) -> None:
        self.tell(error)
        self.failed.append((one, error))


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Says in an error of a method that is one of several which it was."""
    try:
        yield
    except RespikeError as error:
        error.args = (f"{name}: ", *error.args)
        raise


def finished(measurements: Iterable[Report]) -> list[Report]:
    """The reports of measurements taken one after the other; Ctrl-C ends them and keeps what is there."""
    reports: list[Report] = []
    try:
        for report in measurements:
            reports.append(report)
            if not report.complete:
                break
    except KeyboardInterrupt:
        if not reports:
            raise
    return reports
