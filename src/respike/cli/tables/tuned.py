"""The table of a search's Pareto front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.cli.tables.notes import Notes
from respike.cli.tables.numbers import human
from respike.tuning import Tuned
from respike.tuning.spaces import plain


def front(found: Tuned, title: str) -> Group:
    """The front, one row for each conversion, the most accurate first."""
    headings = ("spiking\n%", "margin\n%", "from\nstep", "spikes/\nneuron", "synaptic\nops", "energy\nratio")
    columns = [
        Column("trial", Kind.WORD),
        Column("method", Kind.NAME),
        Column("options", Kind.TEXT),
        *map(Column, headings),
    ]
    rows = []
    for trial in sorted(found.front, key=lambda trial: (-trial.report["accuracy"], -trial.report["margin"])):
        report = trial.report
        cells = (
            str(trial.number),
            trial.method,
            written(trial.options),
            f"{100 * report['accuracy']:.2f}",
            f"{100 * report['margin']:.1f}",
            str(report["step"]),
            f"{report['spikes_per_neuron']:.2f}",
            human(report["synaptic_operations"]),
            f"{report['energy_ratio']:.3f}",
        )
        rows.append(Row(cells))
    networks = {f"{100 * trial.report['network_accuracy']:.2f} %" for trial in found.trials}
    counted = f"{len(found.trials)} trials" + (f", and {len(found.failed)} that failed" if found.failed else "")
    names = ", ".join(objective.name for objective in found.objectives)
    foot = (
        f"{counted}; on the front is what no other beats in {names}, of those that lose at most "
        f"{100 * found.allowed_loss:g} points. The network itself: {', '.join(networks)}",
        "margin: how much of the network's lead of one class over the others is left; it tells apart conversions whose "
        "decisions are the same",
    )
    return Group(Text(title, "bold"), "", Grid(columns, rows), "", Notes(foot))


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
