"""The page's figures for papers, as PNG and SVG."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import MaxNLocator

from respike.drawing import GREY, INK, Style, blank, describe, over_energy
from respike.drawing import spikes as draw_spikes
from respike.errors import InvalidFile
from respike.report.figures import FORMATS, accuracy_over_time, save
from respike.report.page_data import Confusion, Histogram, LayerRun, PageData

PANELS = 12
"""Layers that one figure shows; of more, so many at even distances."""


def save_figures(data: PageData, folder: Path) -> list[Path]:
    """Writes every figure as PNG and as SVG into a folder, which is made where it is missing; gives their places."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InvalidFile(f"cannot make the folder {folder}: {error.strerror or error}") from error
    written = []
    for name, figure in page_figures(data):
        for suffix in FORMATS:
            written.append(folder / f"{name}{suffix}")
            save(figure, written[-1])
    return written


def page_figures(data: PageData) -> Iterator[tuple[str, Figure]]:
    """All figures of a page, each with a name that tells them apart."""
    yield "accuracy-over-time", accuracy_over_time([method.report for method in data.methods])
    yield "accuracy-against-energy", accuracy_against_energy(data)
    yield "activations", activations(data)
    yield "spikes-per-layer", spikes_per_layer(data)
    for number, method in enumerate(data.methods):
        name = method.name
        yield f"rates-{name}", rates(data, number)
        yield f"membranes-{name}", membranes(data, number)
        yield f"raster-{name}", raster(data, number)
        if method.confusion.matrix is not None:
            yield f"confusion-{name}", confusion(data, method.confusion, name)


def accuracy_against_energy(data: PageData) -> Figure:
    """A curve over time for each method, a mark at its headline, a small one at its end; the Pareto front in black."""
    figure, (axes,) = _panels(1, (6.4, 4.4))
    front = [number for number, method in enumerate(data.methods) if method.pareto]
    over_energy(axes, [(method.name, method.report) for method in data.methods], front)
    return figure


def activations(data: PageData) -> Figure:
    """Histograms of positive activations, and the scale that each method chose (FIT Figure 1)."""
    shown = _chosen(len(data.layers))
    figure, panels = _panels(len(shown))
    for axes, place in zip(panels, shown, strict=True):
        layer = data.layers[place]
        _stairs(axes, layer.activations, GREY)
        for number, method in enumerate(data.methods):
            run, style = method.layers[place], Style.of(number)
            if run is not None and (scale := run.scale.median) <= 3 * layer.activations.high:
                label = method.name if place == shown[0] else None
                axes.axvline(scale, color=style.colour, linewidth=1.5, linestyle=style.dash, label=label)
        describe(axes, "positive activation", "neurons × images", layer.name)
    _legend(figure)
    return figure


def membranes(data: PageData, number: int) -> Figure:
    """Histograms of what is left on the membranes after the last step (FIT Figure 2)."""

    def draw(axes: Axes, name: str, run: LayerRun) -> None:
        _stairs(axes, run.membrane, Style.of(number).colour)
        for level in (0, 1):
            axes.axvline(level, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        describe(axes, "potential, in thresholds", "neurons × images", name)

    return _by_layer(data, number, draw)


def rates(data: PageData, number: int) -> Figure:
    """Activations against what the spikes deliver, with the correlation over all of them."""

    def draw(axes: Axes, name: str, run: LayerRun) -> None:
        top = max([*run.activations, *run.delivered, 1e-9])
        axes.plot([0, top], [0, top], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        axes.scatter(run.activations, run.delivered, s=7, color=Style.of(number).colour, alpha=0.5, linewidths=0)
        describe(axes, "activation", "spikes deliver", name)
        if run.correlation is not None:
            axes.set_title(f"r = {run.correlation:.4f}", fontsize=9, color=INK, loc="right")

    return _by_layer(data, number, draw)


def spikes_per_layer(data: PageData) -> Figure:
    """Spikes of each layer beside what the activations would send, hollow (ECC Figure 5)."""
    figure, (axes,) = _panels(1, (6.4, 4.2))
    places = numpy.arange(len(data.layers))
    for number, method in enumerate(data.methods):
        own = [(place, run) for place, run in enumerate(method.layers) if run is not None]
        shift = 0.5 * (number - (len(data.methods) - 1) / 2) / len(data.methods)
        colour, kind = Style.of(number).colour, Style.of(number).marker
        spikes = [run.spikes for _, run in own]
        axes.plot([place + shift for place, _ in own], spikes, kind, color=colour, markersize=6, label=method.name)
        known = [(place, run.expected) for place, run in own if run.expected is not None]
        if known:
            at = [place + shift for place, _ in known]
            axes.plot(at, [value for _, value in known], kind, color=colour, markersize=11, markerfacecolor="none")
    axes.set_yscale("log")
    axes.set_xticks(places, [layer.name for layer in data.layers], rotation=45 if len(data.layers) > 4 else 0)
    axes.margins(x=0.1)
    describe(axes, "", f"spikes of an image (mean of {data.sampled})", data.network)
    axes.set_title("hollow: what the activations would send", fontsize=8, color=INK, loc="right")
    _legend(figure)
    return figure


def raster(data: PageData, number: int) -> Figure:
    """The spikes of the first example, and below them how the outputs form."""
    found, example = data.methods[number].rasters[0], data.examples[0]
    figure = blank(6.8, 5.6)
    grid = figure.add_gridspec(2, 2, height_ratios=(2, 1.2), width_ratios=(5, 1))
    spikes, outputs = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    middles, row = [], 0
    for layer in found.layers:
        times = [[layer.first_step + step for step in each] for each in layer.times]
        if times:
            draw_spikes(
                spikes,
                [step for each in times for step in each],
                [row + place for place, each in enumerate(times) for _ in each],
                Style.of(number).colour,
            )
        middles.append(row + max(len(times), 1) / 2)
        row += max(len(times), 1) + 3
    describe(spikes, "", "", f"{data.methods[number].name}, image {example.number}")
    spikes.set_yticks(middles, [layer.name for layer in found.layers])
    spikes.invert_yaxis()
    spikes.grid(False)
    _outputs(outputs, data, number)
    if len(found.outputs) > 1:
        spikes.set_xlim(0.5, found.steps + 0.5)
        outputs.set_xlim(0.5, found.steps + 0.5)
    if example.picture is not None:
        picture = figure.add_subplot(grid[0, 1])
        picture.imshow(imread(io.BytesIO(base64.b64decode(example.picture)), format="png"), cmap="gray")
        picture.set_axis_off()
    return figure


def confusion(data: PageData, found: Confusion, name: str) -> Figure:
    """What is taken for what; the diagonal is left out of the colours."""
    counts = numpy.array(found.matrix)
    size = len(counts)
    figure, (axes,) = _panels(1, (1.6 + 0.42 * size, 1.5 + 0.42 * size))
    mistakes = numpy.where(numpy.eye(size, dtype=bool), 0, counts)
    axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(1, mistakes.max()) * 1.6)
    for true, decided in zip(*counts.nonzero(), strict=True):
        weight = "bold" if true == decided else "normal"
        axes.text(decided, true, counts[true, decided], ha="center", va="center", fontsize=8, color=INK, weight=weight)
    names = data.classes[:size]
    axes.set_xticks(range(size), names, rotation=45 if max(map(len, names)) > 3 else 0)
    axes.set_yticks(range(size), names)
    describe(axes, "taken for", "is", name)
    axes.grid(False)
    return figure


def _outputs(axes: Axes, data: PageData, number: int) -> None:
    """The outputs of all classes over time, or beside the network's where they come at once."""
    found, example = data.methods[number].rasters[0], data.examples[0]
    end = numpy.array(found.outputs[-1])
    if len(found.outputs) == 1:
        shown = end.argsort()[::-1][:10]
        axes.bar(range(len(shown)), end[shown], color=Style.of(number).colour, width=0.6)
        wanted = numpy.array(example.outputs)[shown]
        axes.plot(range(len(shown)), wanted, "D", color="white", markeredgecolor=INK, markersize=5)
        axes.set_xticks(range(len(shown)), [data.classes[place] for place in shown])
        describe(axes, "class (diamonds: the network)", "output", "")
        return
    steps = range(1, len(found.outputs) + 1)
    for place in end.argsort():
        best = place == end.argmax()
        curve = [outputs[place] for outputs in found.outputs]
        axes.plot(steps, curve, color=Style.of(number).colour if best else GREY, linewidth=2.2 if best else 0.8)
    winner = data.classes[int(end.argmax())]
    axes.annotate(winner, (len(steps), end.max()), (4, 0), textcoords="offset points", fontsize=9, color=INK)
    describe(axes, "time steps", "output so far", "")


def _panels(count: int, size: tuple[float, float] | None = None) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, four at most in a row."""
    columns = min(4, count)
    rows = -(-count // columns)
    figure = blank(*(size or (3.1 * columns + 0.4, 2.7 * rows)))
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(count)]


def _by_layer(data: PageData, number: int, draw: Callable[[Axes, str, LayerRun], None]) -> Figure:
    own = [(layer.name, run) for layer, run in zip(data.layers, data.methods[number].layers, strict=True) if run]
    shown = [own[place] for place in _chosen(len(own))]
    figure, panels = _panels(len(shown))
    for axes, (name, run) in zip(panels, shown, strict=True):
        draw(axes, name, run)
    return figure


def _chosen(layers: int) -> list[int]:
    """The layers that a figure has room for, at even distances, the first and the last among them."""
    if layers <= PANELS:
        return list(range(layers))
    return [round(place * (layers - 1) / (PANELS - 1)) for place in range(PANELS)]


def _stairs(axes: Axes, histogram: Histogram, colour: str) -> None:
    edges = numpy.linspace(histogram.low, histogram.high, len(histogram.counts) + 1)
    axes.stairs(histogram.counts, edges, fill=True, color=colour, alpha=0.35)
    axes.stairs(histogram.counts, edges, color=colour, linewidth=1.1)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _legend(figure: Figure) -> None:
    """Below all panels, where it can hide nothing."""
    handles = [handle for axes in figure.axes for handle in axes.get_legend_handles_labels()[0]]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)
