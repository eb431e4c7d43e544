"""What the page shows, as frozen values: numbers, names and one picture, bounded in size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from respike.measure import USELESS, Cost, Report


@dataclass(frozen=True)
class Bounds:
    """How much a page holds, so that a large network gives a page that opens. What they cut off, the page says.

    Args:
        images: of the sample behind the figures of layers, at most.
        values: of activations in that sample, all layers together; decides how many images it has.
        points: of all scatter plots of the page together.
        points_per_layer: of one scatter plot.
        bins: of a histogram.
        raster_neurons: of one layer in a raster.
        raster_rows: of all layers in a raster, about.
        raster_spikes: of one raster, about.
        raster_values: spikes (or silences) held at one time while rasters are taken.
        classes: a confusion matrix is drawn whole up to so many.
    """

    images: int = 64
    values: int = 4_000_000
    points: int = 24_000
    points_per_layer: int = 600
    bins: int = 48
    raster_neurons: int = 40
    raster_rows: int = 360
    raster_spikes: int = 5_000
    raster_values: int = 1 << 27
    classes: int = 20


@dataclass(frozen=True)
class Histogram:
    """Counts between edges of equal distance; `below` and `above` are the values that lie outside."""

    low: float
    high: float
    counts: tuple[int, ...]
    below: int = 0
    above: int = 0


@dataclass(frozen=True)
class Scale:
    """The largest value that a population can deliver per step of input: least, median and largest over channels."""

    least: float
    median: float
    largest: float


@dataclass(frozen=True)
class Layer:
    """A layer of the network itself: how its positive activations are distributed (FIT Figure 1).

    `zero` is the fraction of activations that are not positive; `values` how many there were.
    """

    name: str
    neurons: int
    values: int
    zero: float
    activations: Histogram


@dataclass(frozen=True)
class LayerRun:
    """A layer under one method.

    `activations` and `delivered` are sampled pairs, pairs of zeros left out; `correlation` (Pearson) and
    `error` (root mean square, over that of the activations) are over all pairs; None where they are not defined.
    `membrane` is what is left after the last step, in thresholds (FIT Figure 2), without the neurons that never fired
    and are below zero, as a ReLU's are. `stored` is the fraction of all that hold a threshold or more, `overdrawn` of
    those that fired and are below zero. `spikes` is per image, beside `expected`, what the activations would send (ECC
    Figure 5); None for few-spikes neurons, which send bits.
    """

    scale: Scale
    activations: tuple[float, ...]
    delivered: tuple[float, ...]
    silent: float
    correlation: float | None
    error: float | None
    membrane: Histogram
    stored: float
    overdrawn: float
    spikes: float
    expected: float | None


@dataclass(frozen=True)
class RasterLayer:
    """Which of a layer's neurons fired when; only a sample of those that fired, in order of their number.

    `first_step` is the step before the layer's first (few-spikes layers run one after the other).
    """

    name: str
    first_step: int
    neurons: tuple[int, ...]
    times: tuple[tuple[int, ...], ...]
    fired: int
    of: int


@dataclass(frozen=True)
class Raster:
    """Spikes for one image, and the outputs after each step, `[steps][class]`, in units of the network's.

    `left_out` names the layers that were too large to record.
    """

    steps: int
    layers: tuple[RasterLayer, ...]
    outputs: tuple[tuple[float, ...], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Confusion:
    """How often an image of one class was taken for another.

    `matrix[true][decided]`, None where there are too many classes; `worst` are the most frequent confusions,
    (true, decided, images); `images` has the number of images of each class.
    """

    matrix: tuple[tuple[int, ...], ...] | None
    worst: tuple[tuple[int, int, int], ...]
    images: tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """An image of the rasters: a PNG, base64, or None where the input is no picture; what the network says of it."""

    number: int
    label: int
    why: str
    picture: str | None
    outputs: tuple[float, ...]


@dataclass(frozen=True)
class MethodData:
    """One method: its name on this page, its report, whether it stands on the Pareto front, what was sampled, a raster
    for each example.

    `headline` and `end` are the report's two costs, `times` the steps after which there is an accuracy.
    """

    name: str
    report: Report
    pareto: bool
    headline: Cost
    end: Cost
    times: tuple[int, ...]
    schedule: str
    coding: str
    cites: tuple[str, ...]
    layers: tuple[LayerRun, ...]
    rasters: tuple[Raster, ...]
    confusion: Confusion


@dataclass(frozen=True)
class PageData:
    """All that a page shows.

    Args:
        network: where the network came from.
        dataset: the name of the data set.
        classes: their names.
        images: how many were measured.
        sampled: the number of images behind the figures of layers.
        layers: the populations, front to back.
        methods: the conversions.
        examples: the images of the rasters.
        confusion: the network's own confusions.
        versions: programs and their versions.
    """

    network: str
    dataset: str
    classes: tuple[str, ...]
    images: int
    sampled: int
    layers: tuple[Layer, ...]
    methods: tuple[MethodData, ...]
    examples: tuple[Example, ...]
    confusion: Confusion
    versions: tuple[tuple[str, str], ...]


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


def pareto_front(reports: Sequence[Report]) -> set[int]:
    """The reports that no other one beats: at least as accurate for at most the energy, and one of them better.

    Compared are the headlines: accuracy and energy at the step from which on the accuracy stays. What loses more than
    `USELESS` of the network's accuracy is not on the front.
    """
    found = {
        number: (report.headline.accuracy, -report.headline.energy_ratio)
        for number, report in enumerate(reports)
        if report.headline.accuracy >= report.network_accuracy - USELESS - 1e-9
    }
    return {
        number
        for number, ours in found.items()
        if not any(other[0] >= ours[0] and other[1] >= ours[1] and other != ours for other in found.values())
    }


def recommended(reports: Sequence[Report], margin: float = 0.005) -> int:
    """The report to speak of first: the least energy among those within `margin` of the best accuracy."""
    heads = [report.headline for report in reports]
    best = max(head.accuracy for head in heads)
    near = [number for number, head in enumerate(heads) if head.accuracy >= best - margin - 1e-9]
    return min(near, key=lambda number: heads[number].energy_ratio)


def rounded(values: Iterable[float]) -> tuple[float, ...]:
    """Four significant figures: more cannot be seen, and would only be read by nobody."""
    return tuple(float(f"{value:.4g}") if math.isfinite(value) else 0.0 for value in values)
