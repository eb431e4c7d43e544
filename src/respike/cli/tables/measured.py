"""The table that sums measurements up."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from respike.cli.tables.numbers import human
from respike.measure import Report

_HEADINGS = ("network\n%", "spiking\n%", "steps", "reached\nat", "spikes/\nneuron", "synaptic\nops", "energy\nratio")


def summary(reports: Sequence[Report]) -> Group:
    """One row for each report, for a rich console; says on how many images, and what the columns mean."""
    networks = list(dict.fromkeys(report.network for report in reports))
    # Narrow enough for a terminal of 80 columns, and for a log.
    gap = 0 if len(networks) > 1 else 1
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), show_edge=False)
    for heading in (["network"] if len(networks) > 1 else []) + ["method"]:
        table.add_column(heading, no_wrap=heading == "network")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for network in networks:
        for number, report in enumerate(report for report in reports if report.network == network):
            table.add_row(*([network if number == 0 else ""] if len(networks) > 1 else []), *_row(report))
        table.add_section()
    return Group(Text(_title(reports), "bold"), "", table, "", Text(_legend(reports), "dim"))


def _row(report: Report) -> tuple[str, ...]:
    reached = report.steps_to_network_accuracy
    return (
        report.method if report.complete else f"{report.method} *",
        f"{100 * report.network_accuracy:.2f}" if report.labelled else "-",
        f"{100 * report.accuracy[-1]:.2f}",
        str(report.latency),
        "never" if reached is None else str(reached),
        f"{report.spikes_per_neuron:.2f}",
        human(report.synaptic_operations),
        f"{report.energy_ratio:.2f}",
    )


def _title(reports: Sequence[Report]) -> str:
    """What was measured on; runs of different lengths (an interrupt, say) are told apart."""
    networks = {report.network for report in reports}
    images = list(dict.fromkeys(f"{report.images:,} images of {report.dataset}" for report in reports))
    return ", ".join([*networks, *images] if len(networks) == 1 else images)


def _legend(reports: Sequence[Report]) -> str:
    tolerances = {f"{100 * report.tolerance:.3g}" for report in reports}
    lines = [
        "network, spiking: accuracy, the latter after the last step"
        if all(report.labelled for report in reports)
        else "spiking: images without labels on which it decides as the network, after the last step",
        f"reached at: step from which it stays within {' or '.join(sorted(tolerances))} points of the network's",
        "steps: until the output is complete (few-spikes networks: K for each layer)",
        "synaptic ops: per image, every spike times its real fan-out",
        "energy ratio: spiking / network, arithmetic alone",
    ]
    if not all(report.complete for report in reports):
        lines.append("* interrupted: over the images that were finished")
    return "\n".join(lines)
