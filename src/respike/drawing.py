"""How measurements look in every figure: styles and axes, curves of accuracy, rows of spikes.

matplotlib without its global state. What is drawn comes in plain numbers or as `Measured`, so that the values
themselves can draw with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, ScalarFormatter

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind readers can tell apart (Okabe and Ito)."""

DASHES: Sequence[Any] = ("-", (0, (6, 3)), (0, (1, 1.6)), (0, (8, 3, 2, 3)), (0, (12, 4)), (0, (4, 2)), (0, (1, 3)))
MARKERS = "os^DPXv"

INK = "#333333"
GREY = "#8a8a8a"
_BEST = 0.0002  # accuracies closer to 1 than this are drawn here: the axis is logarithmic in the error
_TICKS = (0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
ACCURACY = "accuracy (log of the error)"
"""What `scale_accuracy` makes of an axis."""


@dataclass(frozen=True)
class Style:
    """How a method is drawn in all figures; colour and dash, and colour and marker, tell 49 methods apart."""

    colour: str
    dash: Any
    marker: str

    @classmethod
    def of(cls, number: int) -> Style:
        """The style of the method of that number."""
        count = len(COLOURS)
        turn = (number + number // count) % count
        return cls(COLOURS[number % count], DASHES[turn], MARKERS[turn])


class Point(Protocol):
    """What a run gives and costs at a step (`measure.Cost`)."""

    @property
    def step(self) -> int: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def energy_ratio(self) -> float: ...


class Measured(Protocol):
    """What the curves of accuracy are drawn of (`measure.Report`)."""

    @property
    def network(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def images(self) -> int: ...
    @property
    def latency(self) -> int: ...
    @property
    def network_accuracy(self) -> float: ...
    @property
    def times(self) -> Sequence[int]: ...
    @property
    def accuracy(self) -> Sequence[float]: ...
    @property
    def energy_over_time(self) -> Sequence[float]: ...
    @property
    def headline(self) -> Point: ...
    @property
    def end(self) -> Point: ...


def blank(width: float = 6.4, height: float = 4.4) -> Figure:
    """An empty figure of that size, in inches, which no window knows of."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def over_time(axes: Axes, curves: Sequence[tuple[str, Measured]], styles: Sequence[Style]) -> None:
    """Draws accuracy after each step, a curve for each name; points are the headlines.

    A dashed line is the network's own accuracy. The vertical axis is left to `scale_accuracy`.
    """
    first = curves[0][1]
    network = first.network_accuracy
    axes.axhline(drawn(network), color=INK, linestyle=(0, (4, 3)), linewidth=1, label=f"network  {100 * network:.2f} %")
    for (name, one), style in zip(curves, styles, strict=True):
        head = one.headline
        label = f"{name}  {100 * head.accuracy:.2f} % at {head.step}"
        heights = [drawn(value) for value in one.accuracy]
        axes.plot(one.times, heights, color=style.colour, linestyle=style.dash, linewidth=1.8, label=label)
        place = (head.step, drawn(head.accuracy))
        axes.plot(*place, style.marker, color=style.colour, markersize=4.5, clip_on=False, zorder=3)
    _scale_steps(axes, max(one.latency for _, one in curves))
    axes.set_xlabel("time steps", color=INK)
    axes.set_title(first.network, fontsize=11, color=INK, loc="left", weight="bold")
    axes.set_title(
        f"{first.images:,} image{'' if first.images == 1 else 's'} of {first.dataset}",
        fontsize=8,
        color=INK,
        loc="right",
    )
    clean(axes)
    # Below the axes, where it can hide no curve.
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), borderaxespad=0, fontsize=9, frameon=False)


def over_energy(axes: Axes, curves: Sequence[tuple[str, Measured]], front: Collection[int] = ()) -> None:
    """Draws accuracy against energy: a curve over time for each name, a mark at its headline, a small one at its end.

    Dashed lines are the network itself; those whose numbers are on the `front` are joined by a black line.
    """
    points = sorted(
        (head.energy_ratio, drawn(head.accuracy)) for head in (curves[number][1].headline for number in front)
    )
    axes.step([x for x, _ in points], [y for _, y in points], where="post", color=INK, linewidth=1.1, zorder=2)
    for number, (name, one) in enumerate(curves):
        style, head, end = Style.of(number), one.headline, one.end
        x, y = head.energy_ratio, drawn(head.accuracy)
        if len(one.energy_over_time) > 1:
            heights = [drawn(value) for value in one.accuracy]
            axes.plot(
                one.energy_over_time,
                heights,
                color=style.colour,
                linestyle=style.dash,
                linewidth=1.5,
                alpha=0.7,
                zorder=1,
            )
            axes.plot(end.energy_ratio, drawn(end.accuracy), style.marker, color=style.colour, markersize=4, zorder=3)
        edge = INK if number in front else "white"
        axes.plot(
            x, y, style.marker, color=style.colour, markersize=9, markeredgecolor=edge, markeredgewidth=1.5, zorder=4
        )
        axes.annotate(name, (x, y), (8, 4), textcoords="offset points", fontsize=9, color=INK)
    first = curves[0][1]
    network = first.network_accuracy
    axes.axhline(drawn(network), color=GREY, linestyle=(0, (4, 3)), linewidth=1)
    axes.axvline(1, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    costs = [cost for _, one in curves for cost in (one.headline, one.end)]
    ratios = [cost.energy_ratio for cost in costs]
    axes.set_xlim(min(*ratios, 1) / 1.8, max(*ratios, 1) * 2.2)
    describe(axes, "energy, as a multiple of the network's", ACCURACY, first.network)
    accuracies = [cost.accuracy for cost in costs]
    worst = min(*accuracies, network)
    scale_accuracy(axes, [1 - 2.5 * (1 - worst) if worst > 0.7 else worst, *accuracies, network])


def accuracy_panel(axes: Axes, one: Measured, name: str) -> None:
    """Draws accuracy after each step of one run, with its scale."""
    over_time(axes, [(name, one)], [Style.of(0)])
    axes.set_ylabel(ACCURACY, color=INK)
    scale_accuracy(axes, [*one.accuracy, one.network_accuracy])


def energy_panel(axes: Axes, one: Measured, name: str) -> None:
    """Draws accuracy against energy of one run."""
    over_energy(axes, [(name, one)])


def metric_panel(
    axes: Axes, times: Sequence[int], values: Sequence[float], lines: Mapping[str, float], metric: str, network: str
) -> None:
    """Draws a metric after each step, and what does not spike as dashed lines by name."""
    styles = [Style.of(number) for number in range(1 + len(lines))]
    axes.plot(times, values, "o-" if len(times) == 1 else "-", color=styles[0].colour, linewidth=1.8, label="spiking")
    for style, (name, value) in zip(styles[1:], lines.items(), strict=True):
        axes.axhline(value, color=style.colour, linestyle=(0, (4, 3)), linewidth=1, label=f"{name}  {value:.4g}")
    _scale_steps(axes, times[-1])
    describe(axes, "time steps", metric, network)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), borderaxespad=0, fontsize=9, frameon=False)


AGAINST: Mapping[str, Callable[[Axes, Measured, str], None]] = {"time": accuracy_panel, "energy": energy_panel}
"""What the accuracy of one run is drawn against, by name."""


def spikes(axes: Axes, steps: Sequence[int], rows: Sequence[int], colour: str, height: float = 0.8) -> None:
    """Draws spikes as short lines, so many rows high, each at its step and in its row."""
    low, high = ([row + part * height for row in rows] for part in (-0.5, 0.5))
    axes.vlines(steps, low, high, colors=colour, linewidth=1.2)


def describe(axes: Axes, x: str, y: str, title: str) -> None:
    """Says what the axes show, in the house's look."""
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)
    axes.set_title(title, fontsize=10, color=INK, loc="left", weight="bold")
    clean(axes)


def clean(axes: Axes) -> None:
    """The house's look: a light grid, no frame, small ticks."""
    axes.grid(True, color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _scale_steps(axes: Axes, steps: int) -> None:
    axes.set_xlim(1, max(steps, 2))
    if steps > 20:
        axes.set_xscale("log")
        powers = [2**power for power in range(int(math.log2(steps)) + 1)]
        every = -(-len(powers) // 8)
        axes.xaxis.set_major_locator(FixedLocator(powers[::every]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:g}"))


def drawn(accuracy: float) -> float:
    """Where an accuracy stands on the axis: each further unit up means a tenth of the error."""
    return -math.log10(max(1 - accuracy, _BEST))


def scale_accuracy(axes: Axes, values: Sequence[float]) -> None:
    """Makes the vertical axis one of accuracies, for values from `drawn`, so that all of the given ones fit."""
    low, high = drawn(min(values)), drawn(max(values))
    margin = 0.06 * max(high - low, 0.1)
    axes.set_ylim(low - margin, high + margin)
    shown = [tick for tick in _TICKS if low - margin <= drawn(tick) <= high + margin]
    axes.yaxis.set_major_locator(FixedLocator([drawn(tick) for tick in shown]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{100 - 100 * 10**-place:.4g} %"))
