"""The table of a metric over time."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from respike.cli.tables.numbers import human
from respike.measure import Score


def score_table(found: Score) -> RenderableType:
    """The metric of the network, of the rounded one, and of the spiking one after 1, 2, 4, … and all steps."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(found.network or "network", no_wrap=True)
    table.add_column(found.metric, justify="right", no_wrap=True)
    table.add_row("the network itself", f"{found.network_value:.6g}", style="bold")
    if found.rounded_value is not None:
        table.add_row("not spiking, rounded to as many levels", f"{found.rounded_value:.6g}")
    for step, value in _shown(found):
        table.add_row(f"{found.method}, after step {step}", f"{value:.6g}")
    against = "targets" if found.labelled else "the network's own outputs"
    better = "larger" if found.larger_is_better else "smaller"
    return Group(
        Text(f"{found.network}, {found.images:,} images of {found.dataset}, against {against}", "bold"),
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
