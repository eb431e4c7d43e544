"""`respike recommend`: the cheapest conversion that loses no more than is allowed."""

from __future__ import annotations

from typing import Annotated

import typer

import respike
from respike.cli import console
from respike.cli.arguments import Force, JsonFile, NetworkName
from respike.cli.networks import find
from respike.cli.outputs import Outputs
from respike.cli.sources import Source
from respike.cli.tables.recommended import convert_command, recommended, tried
from respike.export import targets
from respike.recommending import LosesMore


def recommend(
    network: NetworkName,
    lose: Annotated[
        float, typer.Option(metavar="POINTS", help="The points of accuracy that the conversion may lose.")
    ] = 0.2,
    prefer: Annotated[
        str,
        typer.Option(
            metavar="energy|latency|spikes",
            help="What is to be small: the energy of the arithmetic, the time steps until an output is complete, or "
            "the spikes of a neuron.",
        ),
    ] = "energy",
    binary: Annotated[
        bool,
        typer.Option(
            "--binary", help="Only integrate-and-fire neurons that send single spikes of one weight, as most chips do."
        ),
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(known.name for known in targets.ALL),
            help="Only what this simulator runs from a NIR file: integrate-and-fire neurons that start from 0.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", min=1, metavar="N", help="The number of training images to measure losses on.")
    ] = 2000,
    json: JsonFile = None,
    force: Force = False,
    *,
    source: Source,
) -> None:
    """Find the cheapest conversion that loses at most as much accuracy as you allow, in minutes.

    Tries few spikes, canonic spikes, and calibrated neurons (signed and binary), each with as few steps as the loss
    allows. Losses are measured on training images that the methods do not see, never on test images: measure the
    conversion on those with `respike evaluate`. One is accepted where its loss plus one standard error is at most what
    you allow, so more --images accept conversions that fewer images cannot tell apart from worse ones. Ends with the
    command that writes the conversion. `respike tune` searches longer, and finds whole trade-offs.
    """
    outputs = Outputs({"--json": json}, force)
    simulator = targets.find(target) if target is not None else None
    subject = find(network, source).unconverted()
    scored = subject.held_out(images)
    try:
        with console.progress() as progress:
            found = respike.recommend(
                subject.network,
                subject.calibration,
                (scored.images, subject.labels(scored)),
                lose=lose,
                prefer=prefer,
                binary=binary,
                target=simulator,
                progress=progress,
            )
    except LosesMore as error:
        outputs.console.print(tried(error.tried, error.left_out))
        raise
    outputs.console.print(recommended(found, f"{len(scored):,} training images of {scored.name}"))
    outputs.console.print(convert_command(found, network, source, target), soft_wrap=True)
    outputs.write("--json", found.to_json().encode())
