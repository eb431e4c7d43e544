"""The table that sums measurements up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.cli.tables.notes import Notes
from respike.cli.tables.numbers import human
from respike.measure import Report, names
from respike.summarised import counted

_HEADINGS = (
    "spiking\n%",
    "from\nstep",
    "spikes/\nneuron",
    "synaptic\nops",
    "energy\nratio",
    "all\nsteps",
    "then\n%",
    "then\nenergy",
)
_IN_WORDS = (
    "spiking %",
    "from step",
    "spikes/neuron",
    "synaptic ops",
    "energy ratio",
    "all steps",
    "then spiking %",
    "then energy ratio",
)


@dataclass(frozen=True)
class Summary:
    """The table of reports for a rich console: a row for each network, and one for each of its conversions below it."""

    reports: Sequence[Report]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draws it."""
        yield Text(_title(self.reports), "bold")
        yield ""
        yield self._grid()
        yield ""
        yield from self._rounded()
        yield Notes(_legend(self.reports))

    def _grid(self) -> Grid:
        columns = [
            Column("network\n method", Kind.NAME),
            *map(Column, _HEADINGS, repeat(Kind.NUMBER), _IN_WORDS),
        ]
        rows = []
        for network, found in self._by_network():
            rows.append(Row((network[0].network, *_network_cells(network[0])), style="bold"))
            rows += [Row((f" {name}", *_cells(report))) for name, report in found]
            rows[-1] = replace(rows[-1], last=True)
        return Grid(columns, rows)

    def _rounded(self) -> Iterator[RenderableType]:
        """The plain quantised networks that the conversions compare with."""
        for network, rows in self._by_network():
            found = [(name, report.rounded_accuracy) for name, report in rows if report.rounded_accuracy is not None]
            if found:
                listed = ", ".join(f"{name} {100 * accuracy:.2f} %" for name, accuracy in found)
                yield Notes([f"{network[0].network}, not spiking, rounded to as many levels: {listed}"])

    def _by_network(self) -> Iterator[tuple[list[Report], list[tuple[str, Report]]]]:
        for network in dict.fromkeys(report.network for report in self.reports):
            chosen = [report for report in self.reports if report.network == network]
            called = (
                name if report.complete else f"{name} *" for name, report in zip(names(chosen), chosen, strict=True)
            )
            yield chosen, list(zip(called, chosen, strict=True))


def summary(reports: Sequence[Report]) -> Summary:
    """One row for each report, for a rich console; says on how many images, and what the columns mean."""
    return Summary(tuple(reports))


def _network_cells(report: Report) -> tuple[str, ...]:
    """The network itself, under the same headings: multiply-accumulates where its conversions have additions."""
    accuracy = f"{100 * report.network_accuracy:.2f}" if report.labelled else "-"
    return (accuracy, "", "", human(report.macs), "1.00", "", "", "")


def _cells(report: Report) -> tuple[str, ...]:
    head, end = report.headline, report.end
    return (
        f"{100 * head.accuracy:.2f}",
        "never" if report.steps_to_network_accuracy is None else str(head.step),
        f"{head.spikes_per_neuron:.2f}",
        human(head.synaptic_operations),
        f"{head.energy_ratio:.2f}",
        str(end.step),
        f"{100 * end.accuracy:.2f}",
        f"{end.energy_ratio:.2f}",
    )


def _title(reports: Sequence[Report]) -> str:
    """What was measured on; runs of different lengths (an interrupt, say) are told apart."""
    networks = {report.network for report in reports}
    images = list(dict.fromkeys(f"{counted(report.images, 'image')} of {report.dataset}" for report in reports))
    return ", ".join([*networks, *images] if len(networks) == 1 else images)


def _legend(reports: Sequence[Report]) -> list[str]:
    lines = [
        *(
            ()
            if all(report.labelled for report in reports)
            else ("spiking: images without labels on which it decides as the network",)
        ),
        f"from step: the first from which the accuracy stays within {_tolerance(reports)} of the network's; spikes, "
        "operations and energy are those until then",
        "never: it does not; they are those of all steps",
        "all steps, then: until the output is complete (few-spikes networks: K for each layer), and accuracy and "
        "energy after them",
        "synaptic ops: per image, every spike times its real fan-out (network: MACs)",
        "energy ratio: spiking / network, arithmetic alone",
    ]
    if not all(report.complete for report in reports):
        lines.append("* interrupted: over the images that were finished")
    return lines


def _tolerance(reports: Sequence[Report]) -> str:
    """In decisions, the fewest and the most where networks differ."""
    allowed = sorted({report.decisions for report in reports})
    told = f"{allowed[0]}" if len(allowed) == 1 else f"{allowed[0]} to {allowed[-1]}"
    return f"{told} decision{'' if allowed[-1] == 1 else 's'}"
