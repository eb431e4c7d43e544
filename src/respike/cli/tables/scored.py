"""The table of a metric over time."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.cli.tables.numbers import human
from respike.measure import Score
from respike.summarised import counted


def score_table(found: Score) -> RenderableType:
    """The metric of the network, of the rounded one, and of the spiking one after 1, 2, 4, … and all steps."""
    rows = [Row(("the network itself", f"{found.network_value:.6g}"), style="bold")]
    if found.rounded_value is not None:
        rows.append(Row(("not spiking, rounded to as many levels", f"{found.rounded_value:.6g}")))
    rows += [Row((f"{found.method}, after step {step}", f"{value:.6g}")) for step, value in _shown(found)]
    table = Grid([Column(found.network or "network", Kind.TEXT), Column(found.metric)], rows, gap=2)
    against = "targets" if found.labelled else "the network's own outputs"
    better = "larger" if found.larger_is_better else "smaller"
    return Group(
        Text(f"{found.network}, {counted(found.images, 'image')} of {found.dataset}, against {against}", "bold"),
        "",
        table,
        "",
        Text(
            f"{better} is better; {found.spikes_per_neuron:.2f} spikes per neuron and image, "
            f"{human(found.synaptic_operations)} additions (network: {human(found.macs)} MACs), "
            f"{found.energy_ratio:.2f} times the network's energy, arithmetic alone",
            "dim",
        ),
    )


def _shown(found: Score) -> Iterator[tuple[int, float]]:
    """The values after steps that are powers of two, and after the last one."""
    for step, value in zip(found.times, found.values, strict=True):
        if step == found.times[-1] or not step & (step - 1):
            yield step, value
