"""The page's figures for papers, as PNG and SVG."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from respike.errors import InvalidFile
from respike.report.figures import (
    FORMATS,
    INK,
    Style,
    accuracy_over_time,
    clean,
    drawn,
    save,
    scale_accuracy,
)
from respike.report.page_data import Confusion, Histogram, MethodData, PageData

PANELS = 12
"""Layers that one figure shows; of more, so many at even distances."""
_GREY = "#8a8a8a"


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
    front = sorted(_headline(method) for method in data.methods if method.pareto)
    axes.step([x for x, _ in front], [y for _, y in front], where="post", color=INK, linewidth=1.1, zorder=2)
    for number, method in enumerate(data.methods):
        style, (x, y) = Style.of(number), _headline(method)
        curve = method.report.energy_over_time
        if len(curve) > 1:
            heights = [drawn(value) for value in method.report.accuracy]
            axes.plot(curve, heights, color=style.colour, linestyle=style.dash, linewidth=1.5, alpha=0.7, zorder=1)
            end = method.end
            axes.plot(end.energy_ratio, drawn(end.accuracy), style.marker, color=style.colour, markersize=4, zorder=3)
        edge = INK if method.pareto else "white"
        axes.plot(
            x, y, style.marker, color=style.colour, markersize=9, markeredgecolor=edge, markeredgewidth=1.5, zorder=4
        )
        axes.annotate(method.name, (x, y), (8, 4), textcoords="offset points", fontsize=9, color=INK)
    network = data.methods[0].report.network_accuracy
    axes.axhline(drawn(network), color=_GREY, linestyle=(0, (4, 3)), linewidth=1)
    axes.axvline(1, color=_GREY, linestyle=(0, (4, 3)), linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    costs = [cost for method in data.methods for cost in (method.headline, method.end)]
    ratios = [cost.energy_ratio for cost in costs]
    axes.set_xlim(min(*ratios, 1) / 1.8, max(*ratios, 1) * 2.2)
    _label(axes, "energy, as a multiple of the network's", "accuracy (log of the error)", data.network)
    accuracies = [cost.accuracy for cost in costs]
    worst = min(*accuracies, network)
    scale_accuracy(axes, [1 - 2.5 * (1 - worst) if worst > 0.7 else worst, *accuracies, network])
    return figure


def activations(data: PageData) -> Figure:
    """Histograms of positive activations, and the scale that each method chose (FIT Figure 1)."""
    shown = _chosen(len(data.layers))
    figure, panels = _panels(len(shown))
    for axes, place in zip(panels, shown, strict=True):
        layer = data.layers[place]
        _stairs(axes, layer.activations, _GREY)
        for number, method in enumerate(data.methods):
            scale, style = method.layers[place].scale.median, Style.of(number)
            if scale <= 3 * layer.activations.high:
                label = method.name if place == shown[0] else None
                axes.axvline(scale, color=style.colour, linewidth=1.5, linestyle=style.dash, label=label)
        _label(axes, "positive activation", "neurons × images", layer.name)
    _legend(figure)
    return figure


def membranes(data: PageData, number: int) -> Figure:
    """Histograms of what is left on the membranes after the last step (FIT Figure 2)."""

    def draw(axes: Axes, place: int) -> None:
        _stairs(axes, data.methods[number].layers[place].membrane, Style.of(number).colour)
        for level in (0, 1):
            axes.axvline(level, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        _label(axes, "potential, in thresholds", "neurons × images", data.layers[place].name)

    return _by_layer(data, draw)


def rates(data: PageData, number: int) -> Figure:
    """Activations against what the spikes deliver, with the correlation over all of them."""

    def draw(axes: Axes, place: int) -> None:
        run = data.methods[number].layers[place]
        top = max([*run.activations, *run.delivered, 1e-9])
        axes.plot([0, top], [0, top], color=_GREY, linewidth=1, linestyle=(0, (4, 3)))
        axes.scatter(run.activations, run.delivered, s=7, color=Style.of(number).colour, alpha=0.5, linewidths=0)
        _label(axes, "activation", "spikes deliver", data.layers[place].name)
        if run.correlation is not None:
            axes.set_title(f"r = {run.correlation:.4f}", fontsize=9, color=INK, loc="right")

    return _by_layer(data, draw)


def spikes_per_layer(data: PageData) -> Figure:
    """Spikes of each layer beside what the activations would send, hollow (ECC Figure 5)."""
    figure, (axes,) = _panels(1, (6.4, 4.2))
    places = numpy.arange(len(data.layers))
    for number, method in enumerate(data.methods):
        spikes = [run.spikes for run in method.layers]
        expected = [run.expected for run in method.layers if run.expected is not None]
        at = places + 0.5 * (number - (len(data.methods) - 1) / 2) / len(data.methods)
        colour, kind = Style.of(number).colour, Style.of(number).marker
        axes.plot(at, spikes, kind, color=colour, markersize=6, label=method.name)
        if len(expected) == len(spikes):
            axes.plot(at, expected, kind, color=colour, markersize=11, markerfacecolor="none")
    axes.set_yscale("log")
    axes.set_xticks(places, [layer.name for layer in data.layers], rotation=45 if len(data.layers) > 4 else 0)
    axes.margins(x=0.1)
    _label(axes, "", f"spikes of an image (mean of {data.sampled})", data.network)
    axes.set_title("hollow: what the activations would send", fontsize=8, color=INK, loc="right")
    _legend(figure)
    return figure


def raster(data: PageData, number: int) -> Figure:
    """The spikes of the first example, and below them how the outputs form."""
    found, example = data.methods[number].rasters[0], data.examples[0]
    figure = Figure(figsize=(6.8, 5.6), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, height_ratios=(2, 1.2), width_ratios=(5, 1))
    spikes, outputs = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    middles, row = [], 0
    for layer in found.layers:
        times = [[layer.first_step + step for step in each] for each in layer.times]
        rows = list(range(row, row + len(times)))
        if times:
            spikes.eventplot(times, lineoffsets=rows, linelengths=0.8, linewidths=1.2, colors=Style.of(number).colour)
        middles.append(row + max(len(times), 1) / 2)
        row += max(len(times), 1) + 3
    _label(spikes, "", "", f"{data.methods[number].name}, image {example.number}")
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
    _label(axes, "taken for", "is", name)
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
        _label(axes, "class (diamonds: the network)", "output", "")
        return
    steps = range(1, len(found.outputs) + 1)
    for place in end.argsort():
        best = place == end.argmax()
        curve = [outputs[place] for outputs in found.outputs]
        axes.plot(steps, curve, color=Style.of(number).colour if best else _GREY, linewidth=2.2 if best else 0.8)
    winner = data.classes[int(end.argmax())]
    axes.annotate(winner, (len(steps), end.max()), (4, 0), textcoords="offset points", fontsize=9, color=INK)
    _label(axes, "time steps", "output so far", "")


def _panels(count: int, size: tuple[float, float] | None = None) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, four at most in a row."""
    columns = min(4, count)
    rows = -(-count // columns)
    figure = Figure(figsize=size or (3.1 * columns + 0.4, 2.7 * rows), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(count)]


def _by_layer(data: PageData, draw: Callable[[Axes, int], None]) -> Figure:
    shown = _chosen(len(data.layers))
    figure, panels = _panels(len(shown))
    for axes, place in zip(panels, shown, strict=True):
        draw(axes, place)
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


def _label(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)
    axes.set_title(title, fontsize=10, color=INK, loc="left", weight="bold")
    clean(axes)


def _legend(figure: Figure) -> None:
    """Below all panels, where it can hide nothing."""
    handles = [handle for axes in figure.axes for handle in axes.get_legend_handles_labels()[0]]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False)


def _headline(method: MethodData) -> tuple[float, float]:
    return method.headline.energy_ratio, drawn(method.headline.accuracy)
