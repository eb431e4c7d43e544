"""`respike check`: whether a conversion fits a chip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.text import Text

from respike.cli import choices, conversions, options
from respike.cli.arguments import CodingName, MethodName, NetworkName, Rate, Refine, Seed
from respike.cli.console import OUT
from respike.cli.evaluating import spiking_network
from respike.cli.networks import find
from respike.cli.sources import Source
from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.cli.tables.notes import Notes
from respike.cli.wording import joined
from respike.hardware import ALL, Fit
from respike.hardware import check as fit_of
from respike.hardware import find as chip_named
from respike.lower.fixed_point import BITS
from respike.summarised import counted

DOES_NOT_FIT = 1
"""The exit code where a limit is broken."""


def check(
    network: NetworkName,
    target: Annotated[
        str,
        typer.Option("--target", metavar="|".join(chip.name for chip in ALL), help="The chip.", show_default=False),
    ],
    method: MethodName = None,
    refine: Refine = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    bits: Annotated[
        int | None,
        typer.Option(
            "--bits",
            min=BITS[0],
            max=BITS[-1],
            metavar="N",
            help="Bits of a weight. Default: the chip's.",
            show_default=False,
        ),
    ] = None,
    *,
    source: Source,
    given: Mapping[str, str | bool],
) -> None:
    """Check whether a converted network fits a chip, by the chip's published limits.

    It shows what each layer takes, how many cores the network needs, every limit that is broken, the first one first,
    and what would make it fit. The exit code is 1 where a limit is broken. NETWORK may also be a file written by
    `respike convert`, which needs no method.
    """
    chip = chip_named(target)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    found = conversions.method(method, refine) if method is not None else None
    arguments = options.read(found, given) if found is not None else {}
    subject = find(network, source)
    fit = fit_of(spiking_network(subject, found, arguments, given, chosen, refine), chip, bits=bits)
    OUT.print(Text(fit.chip.title, "bold"), "")
    OUT.print(_grid(fit))
    OUT.print()
    OUT.print(Notes([_verdict(fit), *(joined(one.parts) for one in fit.broken), fit.chip.notes, "Sources:"], ""))
    OUT.print(Notes(fit.chip.sources, "", indent=2))
    if not fit.fits:
        raise typer.Exit(DOES_NOT_FIT)


def _grid(fit: Fit) -> Grid:
    columns = [Column("layer", Kind.NAME), *(Column(one) for one in ("neurons", "weights", "fan-in", "cores"))]
    rows = [
        Row((need.layer, f"{need.neurons:,}", f"{need.weights:,}", f"{need.fan_in:,}", f"{need.cores:,}"))
        for need in fit.needs
    ]
    return Grid(columns, rows, gap=2)


def _verdict(fit: Fit) -> str:
    widths = f"weights of {fit.weight_bits} bits" + (
        f", potentials of {fit.membrane_bits}" if fit.membrane_bits is not None else ""
    )
    if fit.fits:
        return f"it fits: {fit.cores:,} of {fit.chip.cores:,} cores, {widths}"
    broken = f"{counted(len(fit.broken), 'limit')} {'is' if len(fit.broken) == 1 else 'are'} broken"
    return f"it does not fit ({widths}): {broken}"
