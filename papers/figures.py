"""The look of the papers' figures: one row of panels, colours that a colour-blind reader can tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from math import log10
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from respike import Report

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
"""From the palette of Okabe and Ito."""


def panels(titles: list[str], x: str, y: str, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per title, and its panels."""
    columns = len(titles) // rows
    figure = Figure(figsize=(4.4 * columns + 0.4, 3.3 * rows), dpi=110, layout="constrained")
    axes = [figure.add_subplot(rows, columns, number) for number in range(1, len(titles) + 1)]
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(x)
        axis.set_ylabel(y)
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def curve(
    axis: Axes, report: Report, label: str, colour: str, error: bool = False, steps: Iterable[int] | None = None
) -> None:
    """Accuracy over time, or the classification error; at the given steps, or at all."""
    shown = list(steps or range(1, report.steps + 1))
    shares = [_percent(report.accuracy[step - 1], error) for step in shown]
    axis.plot(shown, shares, color=colour, label=label, linewidth=1.5)


def network(axis: Axes, report: Report, error: bool = False, legend: Literal["best", "upper right"] = "best") -> None:
    """The accuracy (or the error) of the network itself, as a dashed line, and the legend."""
    level = _percent(report.network_accuracy, error)
    axis.axhline(level, color=GREY, linestyle="--", linewidth=1, label="the network")
    axis.legend(fontsize=8, loc=legend)


def spaced(steps: int) -> list[int]:
    """Steps up to `steps`, 50 a decade: what a logarithmic axis can show."""
    return sorted({round(10 ** (number / 50)) for number in range(int(50 * log10(steps)) + 1)} | {steps})


def near(axis: Axes, level: float, below: float, above: float) -> None:
    """Shows only what lies around a level: so many points below it, and above."""
    axis.set_ylim(level - below, level + above)


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG that is the same for the same data."""
    figure.savefig(path, metadata={"Software": None}, pil_kwargs={"optimize": True})


def _percent(accuracy: float, error: bool) -> float:
    return 100 * (1 - accuracy if error else accuracy)
