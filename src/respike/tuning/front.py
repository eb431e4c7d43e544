"""The Pareto front as a table and as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from respike.report.figures import COLOURS
from respike.report.table import human
from respike.tuning.search import Tuned
from respike.tuning.spaces import plain

_MARKS = "os^DvPX*<>"


def table(found: Tuned, title: str) -> Group:
    """The front, one row for each conversion, the most accurate first."""
    rows = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    rows.add_column("trial", justify="right")
    rows.add_column("method")
    rows.add_column("options")
    for heading in ("spiking\n%", "steps", "spikes/\nneuron", "synaptic\nops", "energy\nratio"):
        rows.add_column(heading, justify="right", no_wrap=True)
    for trial in sorted(found.front, key=lambda trial: -trial.report["accuracy"]):
        report = trial.report
        rows.add_row(
            str(trial.number),
            trial.method,
            written(trial.options),
            f"{100 * report['accuracy']:.2f}",
            str(report["latency"]),
            f"{report['spikes_per_neuron']:.2f}",
            human(report["synaptic_operations"]),
            f"{report['energy_ratio']:.3f}",
        )
    networks = {f"{100 * trial.report['network_accuracy']:.2f} %" for trial in found.front}
    counted = f"{len(found.trials)} trials" + (f", and {len(found.failed)} that failed" if found.failed else "")
    names = ", ".join(objective.name for objective in found.objectives)
    foot = f"{counted}; on the front is what no other beats in {names}. The network itself: {', '.join(networks)}"
    return Group(Text(title, "bold"), "", rows, "", Text(foot, "dim"))


def written(options: Mapping[str, Any]) -> str:
    """Options as flags of the command line."""
    return " ".join(_flag(name, value) for name, value in plain(options).items())


def _flag(name: str, value: Any) -> str:
    flag = name.replace("_", "-")
    match value:
        case bool():
            return f"--{flag}" if value else f"--no-{flag}"
        case float():
            return f"--{flag} {value:.4g}"
        case _:
            return f"--{flag} {value}"


def pareto(found: Tuned) -> Figure:
    """Accuracy against energy: all trials, each method's own mark, those on the front filled."""
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
                [100 * trial.report["accuracy"] for trial in shown],
                marker=mark,
                s=34,
                facecolors=colour if chosen else "none",
                edgecolors=colour,
                alpha=1.0 if chosen else 0.45,
            )
    for accuracy in {trial.report["network_accuracy"] for trial in found.trials}:
        axes.axhline(100 * accuracy, color="#333333", linestyle=(0, (4, 3)), linewidth=1)
    best = max((100 * trial.report["accuracy"] for trial in found.trials), default=100.0)
    axes.set_ylim(max(0.0, best - 5.0), min(100.0, best + 0.6))
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("energy ratio, spiking / network")
    axes.set_ylabel("accuracy on held-out training images, %")
    figure.legend(frameon=False, fontsize=8, title="filled: on the front", title_fontsize=8, loc="outside right upper")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure
