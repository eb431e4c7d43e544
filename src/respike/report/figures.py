"""Figures with matplotlib, without its global state."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from respike.errors import InvalidOption
from respike.files import write
from respike.measure import Report
from respike.report.page_data import names

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind readers can tell apart (Okabe and Ito)."""

DASHES: Sequence[Any] = ("-", (0, (6, 3)), (0, (1, 1.6)), (0, (8, 3, 2, 3)), (0, (12, 4)), (0, (4, 2)), (0, (1, 3)))
MARKERS = "os^DPXv"


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


FORMATS = {".png": "png", ".svg": "svg"}

INK = "#333333"
_BEST = 0.0002  # accuracies closer to 1 than this are drawn here: the axis is logarithmic in the error
_TICKS = (0.1, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)


def accuracy_over_time(reports: Sequence[Report]) -> Figure:
    """Accuracy after each step: a panel for each network, a curve for each method; points are the headlines.

    The axis of accuracy is logarithmic in the error, so that the last tenths of a point can be seen. A dashed line is
    the network's own accuracy.
    """
    networks = list(dict.fromkeys(report.network for report in reports))
    of_each = [[report for report in reports if report.network == network] for network in networks]
    called = [list(zip(names(chosen), chosen, strict=True)) for chosen in of_each]
    methods = list(dict.fromkeys(name for chosen in called for name, _ in chosen))
    width = 6.4 if len(networks) == 1 else 3.5 * len(networks) + 0.6
    figure = Figure(figsize=(width, 4.4), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(networks), squeeze=False, sharey=True)[0]
    for chosen, axes in zip(called, panels, strict=True):
        _panel(axes, chosen, methods)
    panels[0].set_ylabel("accuracy (log of the error)", color=INK)
    scale_accuracy(panels[0], [value for report in reports for value in (*report.accuracy, report.network_accuracy)])
    return figure


def figure_format(path: Path) -> str:
    """The format that a figure's file name asks for; `InvalidOption` where it is none that can be written."""
    if path.suffix.lower() not in FORMATS:
        raise InvalidOption(f"a figure's file must end in {' or '.join(FORMATS)}, not {path.name!r}")
    return FORMATS[path.suffix.lower()]


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG or SVG, by the suffix, in one step."""
    write(path, encoded(figure, figure_format(path)))


def encoded(figure: Figure, kind: str) -> bytes:
    """The content of a figure's file; `kind` is `png` or `svg`."""
    content = io.BytesIO()
    # Without the date, the same numbers give the same file.
    figure.savefig(content, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()


def _panel(axes: Axes, reports: Sequence[tuple[str, Report]], methods: Sequence[str]) -> None:
    first = reports[0][1]
    network = first.network_accuracy
    axes.axhline(drawn(network), color=INK, linestyle=(0, (4, 3)), linewidth=1, label=f"network  {100 * network:.2f} %")
    for name, report in reports:
        style, head = Style.of(methods.index(name)), report.headline
        label = f"{name}  {100 * head.accuracy:.2f} % at {head.step}"
        heights = [drawn(value) for value in report.accuracy]
        axes.plot(report.times, heights, color=style.colour, linestyle=style.dash, linewidth=1.8, label=label)
        place = (head.step, drawn(head.accuracy))
        axes.plot(*place, style.marker, color=style.colour, markersize=4.5, clip_on=False, zorder=3)
    _scale_steps(axes, max(report.latency for _, report in reports))
    axes.set_xlabel("time steps", color=INK)
    axes.set_title(first.network, fontsize=11, color=INK, loc="left", weight="bold")
    axes.set_title(f"{first.images:,} images of {first.dataset}", fontsize=8, color=INK, loc="right")
    clean(axes)
    # Below the axes, where it can hide no curve.
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), borderaxespad=0, fontsize=9, frameon=False)


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
