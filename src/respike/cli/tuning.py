"""`respike tune`: the search for the conversions that no other beats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from respike import methods
from respike.bounds import MOST_STEPS
from respike.cli import INTERRUPTED, console, conversions
from respike.cli.arguments import Force, JsonFile, NetworkName, Refine
from respike.cli.networks import find
from respike.cli.running import draw, numbers_and_plot
from respike.cli.sources import Source
from respike.errors import InvalidOption
from respike.measure import USELESS


def tune(
    network: NetworkName,
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            metavar="A,B,C",
            help="What to optimise: some of margin (of decisions), accuracy, energy, latency, spikes.",
        ),
    ] = "margin,energy,latency",
    names: Annotated[
        str | None,
        typer.Option(
            "--methods", "-m", metavar="A,B,C", help="The methods to search, separated by commas. Default: all."
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, metavar="N", help="The total number of trials, including those of earlier runs.")
    ] = 100,
    longest: Annotated[
        int, typer.Option(min=2, max=MOST_STEPS, metavar="N", help="The largest number of time steps of a trial.")
    ] = 256,
    allowed_loss: Annotated[
        float,
        typer.Option(
            min=0, max=100, metavar="POINTS", help="Conversions that lose more accuracy than this are on no front."
        ),
    ] = 100 * USELESS,
    held_out: Annotated[
        int, typer.Option("--images", min=1, metavar="N", help="The number of training images to score trials on.")
    ] = 1000,
    storage: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL",
            help="Where trials are stored: an SQLite file, or a database that several machines share.",
        ),
    ] = "tuning.db",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The study's name. Default: that of the network.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the search.")] = 0,
    refine: Refine = None,
    json: JsonFile = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw all trials and the front (.png or .svg).")
    ] = None,
    force: Force = False,
    *,
    source: Source,
) -> None:
    """Search methods and options for the best trade-offs (the Pareto front).

    Trials are scored on training images that the methods do not see, never on test images. Every finished trial is
    stored: after Ctrl-C, a kill or a crash, run the same command again to continue. `respike convert --from-study`
    converts a network as a trial did.
    """
    from respike import tuning
    from respike.cli.tables.tuned import front

    outputs = numbers_and_plot(json, plot, force=force)
    if Path(storage) in outputs.files.values():
        raise InvalidOption(f"--storage is the database {storage}: give --json and --plot files of their own")
    objectives = tuning.objectives.named(objective.split(","))
    wanted = [method.name for method in methods.ALL] if names is None else names.split(",")
    among = [conversions.method(one.strip(), refine) for one in wanted]
    subject = find(network, source).unconverted()
    if names is None:
        among = [method for method in among if method.suits(subject.network)]
    scored = subject.held_out(held_out)
    with console.progress() as progress:
        found = tuning.tune(
            subject.network,
            subject.calibration,
            (scored.images, subject.labels(scored)),
            objectives=objectives,
            among=among,
            trials=trials,
            longest=longest,
            allowed_loss=allowed_loss / 100,
            storage=storage,
            name=name or network,
            seed=seed,
            progress=progress,
        )
    for reason in dict.fromkeys(found.failed):
        console.warning(reason)
    outputs.console.print(front(found, f"{network}, {len(scored):,} training images of {scored.name}"))
    outputs.write("--json", found.to_json().encode())
    if plot is not None:
        draw(tuning.pareto(found), outputs)
    if not found.complete:
        console.note(f"interrupted: {len(found.trials)} of {trials} trials are kept in {storage}")
        raise typer.Exit(INTERRUPTED)
