"""What the page shows, as frozen values: numbers, names and one picture, bounded in size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from respike.measure import USELESS, Report


@dataclass(frozen=True)
class Bounds:
    """How much a page holds, so that a large network gives a page that opens. What they cut off, the page says.

    Args:
        images: of the sample behind the figures of layers, at most.
        values: of activations in that sample, all layers together; decides how many images it has.
        moments: the steps of a run at which the page can read it.
        layer_numbers: of all layers, methods and moments together; decides with `moments` how many of them there are.
        points: of all scatter plots of the page together.
        points_per_layer: of one scatter plot.
        bins: of a histogram.
        bins_together: of all histograms together.
        raster_layers: of one raster.
        raster_neurons: of one layer in a raster.
        raster_rows: of all layers in a raster, about.
        raster_spikes: of one raster, about.
        raster_spikes_together: of all rasters together, about.
        lost_images: images that a conversion loses and whose decisions are shown over time.
        thumbnail: the longer side of their pictures, in pixels.
        raster_values: spikes (or silences) held at one time while rasters are taken.
        classes: a confusion matrix is drawn whole up to so many.
    """

    images: int = 64
    values: int = 4_000_000
    moments: int = 64
    layer_numbers: int = 10_000
    points: int = 8_000
    points_per_layer: int = 600
    bins: int = 48
    bins_together: int = 10_000
    raster_layers: int = 16
    raster_neurons: int = 40
    raster_rows: int = 360
    raster_spikes: int = 5_000
    raster_spikes_together: int = 30_000
    lost_images: int = 24
    thumbnail: int = 48
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

    `left_out` names the layers that were too large to record. Of many others, some at even distances are here.
    """

    steps: int
    layers: tuple[RasterLayer, ...]
    outputs: tuple[tuple[float, ...], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Confusion:
    """How often an image of one class was taken for another.

    `matrix[true][decided]`, None where there are too many classes; `worst` are the most frequent confusions,
    (true, decided, images); `images` has the number of images of each class. `changes` are the cells in which the
    matrix of one moment of a run differs from that of the moment before, true, decided and by how much, one cell behind
    the other; those of the first moment are from zero.
    """

    matrix: tuple[tuple[int, ...], ...] | None
    worst: tuple[tuple[int, int, int], ...]
    images: tuple[int, ...]
    changes: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Example:
    """An image of the rasters: a PNG, base64, or None where the input is no picture; what the network says of it."""

    number: int
    label: int
    why: str
    picture: str | None
    outputs: tuple[float, ...]


@dataclass(frozen=True)
class Lost:
    """An image on which the network is right and a conversion is wrong at some time.

    `decisions` has for each method what it decides: step, class, and so on, an entry wherever the class changes; None
    where the method's run did not come to the image.
    """

    number: int
    label: int
    picture: str | None
    decisions: tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True)
class Curve:
    """A run over time: what it gives and costs if it ends after a step, for some of its steps, the last one among them.

    All as in `measure.Cost`; `lost` counts the images on which the network is right and the run is wrong, `gained` the
    other way round. `stands` is the place of the step from which on the accuracy stays, None where it never does.
    """

    step: tuple[int, ...]
    accuracy: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    spikes: tuple[float, ...]
    operations: tuple[float, ...]
    energy: tuple[float, ...]
    lost: tuple[int, ...]
    gained: tuple[int, ...]
    stands: int | None


@dataclass(frozen=True)
class LayerCost:
    """What a population, or a node that does not spike, takes for an image, at the steps of the method's curve.

    Args:
        name: the population's or the node's.
        kind: see `LayerWork`.
        neurons: how many values it has.
        macs: multiply-accumulates, once for an image.
        original_macs: multiply-accumulates of what reads its values, in the network itself.
        spikes: sent until the end of a step.
        operations: additions until then.
    """

    name: str
    kind: str
    neurons: int
    macs: float
    original_macs: float
    spikes: tuple[float, ...]
    operations: tuple[float, ...]


@dataclass(frozen=True)
class MethodData:
    """One method: its name on this page, its report, whether its headline stands on the Pareto front, its curve, what
    its layers cost and what was sampled of them, a raster for each example.

    `layers` has an entry for each layer of the page, None where the method has no neurons. `window` is K, the steps of
    each layer, where layers run one after the other, else None. `input_share` says for each moment of the curve which
    share of the input was there until then.
    """

    name: str
    report: Report
    pareto: bool
    curve: Curve
    schedule: str
    window: int | None
    input_share: tuple[float, ...]
    coding: str
    cites: tuple[str, ...]
    costs: tuple[LayerCost, ...]
    layers: tuple[LayerRun | None, ...]
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
        layers: the populations of all methods, front to back.
        methods: the conversions.
        failed: the methods that did not convert the network, and why.
        examples: the images of the rasters.
        lost: images that some method loses, those first that are lost for longest.
        confusion: the network's own confusions.
        mac_energy: the energy of one multiply-accumulate as a share of the network's for an image.
        addition_energy: the same of one addition.
        versions: programs and their versions.
    """

    network: str
    dataset: str
    classes: tuple[str, ...]
    images: int
    sampled: int
    layers: tuple[Layer, ...]
    methods: tuple[MethodData, ...]
    failed: tuple[tuple[str, str], ...]
    examples: tuple[Example, ...]
    lost: tuple[Lost, ...]
    confusion: Confusion
    mac_energy: float
    addition_energy: float
    versions: tuple[tuple[str, str], ...]


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


def rounded(values: Iterable[float], figures: int = 4) -> tuple[float, ...]:
    """Four significant figures: more cannot be seen, and would only be read by nobody."""
    return tuple(float(f"{value:.{figures}g}") if math.isfinite(value) else 0.0 for value in values)
