"""`respike convert`: a converted network as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from respike import methods
from respike.cli import choices, console, options
from respike.cli.arguments import METHOD, CodingName, DatasetName, NetworkName, Rate, Seed
from respike.cli.networks import CONVERTED, find
from respike.cli.running import converted
from respike.errors import InvalidOption
from respike.report import check_writable


def convert(
    network: NetworkName,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help=f"The file to write ({CONVERTED}).")],
    method: Annotated[str, METHOD],
    dataset: DatasetName = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    *,
    given: Mapping[str, str | bool],
) -> None:
    """Convert a network and write it to one file (safetensors, no pickle).

    The file gives the same spikes wherever it is read: by `respike evaluate`, or `respike.SpikingNetwork.load`.
    """
    if out.suffix != CONVERTED:
        raise InvalidOption(f"the file of a converted network must end in {CONVERTED}, not {out.name!r}")
    check_writable(out)
    found = methods.find(method)
    arguments = options.read(found, given)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    subject = find(network, dataset)
    if subject.plan is not None:
        raise InvalidOption(f"the network is converted already, by {subject.plan.method}")
    spiking = converted(subject, found, arguments, chosen)
    spiking.save(out)
    console.OUT.print(
        f"wrote {out}: {subject.network.origin} by {found.name}, {spiking.plan.schedule.steps} steps", soft_wrap=True
    )
