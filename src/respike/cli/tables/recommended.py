"""What was recommended: a sentence, the runners-up, and the command that converts so."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Group
from rich.text import Text

from respike.cli import options
from respike.cli.sources import Source
from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.cli.tables.notes import Notes
from respike.recommending import Candidate, Recommendation


def recommended(found: Recommendation, images: str) -> Group:
    """A sentence on the chosen conversion, and a table of all that were tried."""
    return Group(_sentence(found, images), "", tried((found.chosen, *found.others), found.left_out, found.chosen))


def tried(conversions: Iterable[Candidate], left_out: Mapping[str, str], chosen: Candidate | None = None) -> Group:
    """The table of conversions, and why others are not in it."""
    headings = ("loses\npoints", "latency\nsteps", "spikes/\nneuron", "energy\nratio", "")
    rows = [
        Row((*_row(one), "chosen" if one is chosen else "" if one.accepted else "loses more")) for one in conversions
    ]
    table = Grid([Column("conversion", Kind.TEXT), *map(Column, headings)], rows)
    notes = (
        "loses: against the network, ± one standard error",
        "energy ratio: spiking / network, arithmetic alone",
        *(f"{family}: {reason}" for family, reason in left_out.items()),
    )
    return Group(table, "", Notes(notes), "")


def convert_command(found: Recommendation, network: str, source: Source, target: str | None) -> str:
    """The command line that writes the chosen conversion."""
    one, file = found.chosen, Path(network.replace(":", "-")).stem
    words = ["respike", "convert", network, "--method", one.method, *options.flags(one.options).split()]
    words += ["--refine", one.refinements] if one.refinements else []
    words += (
        ["--out", f"{file}.respike"]
        if target is None
        else ["--to", f"{file}.nir", "--target", target, "--allow-metadata"]
    )
    return " ".join(filter(None, (shlex.join(words), options.flags(source.given))))


def _sentence(found: Recommendation, images: str) -> Text:
    report = found.chosen.report
    return Text(
        f"{found.chosen.method} {options.flags(found.chosen.options)} has the least {found.prefer} of what loses at "
        f"most {found.lose:g} points: {100 * report.accuracy[-1]:.2f} % where the network has "
        f"{100 * report.network_accuracy:.2f} % ({images}), in {report.latency} steps with "
        f"{report.spikes_per_neuron:.2f} spikes a neuron, for {report.energy_ratio:.2f} times its energy.",
        "bold",
    )


def _row(one: Candidate) -> tuple[str, ...]:
    refined = f" --refine {one.refinements}" if one.refinements else ""
    return (
        f"{one.method} {options.flags(one.options)}{refined}",
        f"{one.loss:.2f} ± {one.error:.2f}",
        str(one.report.latency),
        f"{one.report.spikes_per_neuron:.2f}",
        f"{one.report.energy_ratio:.3f}",
    )
