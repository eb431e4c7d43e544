"""The Pareto front as a figure."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from respike.drawing import COLOURS
from respike.tuning.search import Tuned

_MARKS = "os^DvPX*<>"


def pareto(found: Tuned) -> Figure:
    """Margin of decisions against energy: all trials, each method's own mark, those on the front filled."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    front = {trial.number for trial in found.front}
    for index, method in enumerate(dict.fromkeys(trial.method for trial in found.trials)):
        trials = [trial for trial in found.trials if trial.method == method]
        colour, mark = COLOURS[index % len(COLOURS)], _MARKS[index % len(_MARKS)]
        axes.scatter([], [], marker=mark, s=34, facecolors=colour, edgecolors=colour, label=method)
        for chosen in (False, True):
            shown = [trial for trial in trials if (trial.number in front) == chosen]
            axes.scatter(
                [trial.report["energy_ratio"] for trial in shown],
                [100 * trial.report["margin"] for trial in shown],
                marker=mark,
                s=34,
                facecolors=colour if chosen else "none",
                edgecolors=colour,
                alpha=1.0 if chosen else 0.45,
            )
    axes.axhline(100, color="#333333", linestyle=(0, (4, 3)), linewidth=1)
    lowest = min((100 * trial.report["margin"] for trial in found.front), default=0.0)
    axes.set_ylim(lowest - 0.2 * (100 - lowest) - 1, 101)
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("energy ratio, spiking / network")
    axes.set_ylabel("margin of decisions on held-out training images, %")
    figure.legend(frameon=False, fontsize=8, title="filled: on the front", title_fontsize=8, loc="outside right upper")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure
