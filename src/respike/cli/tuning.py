"""`respike tune`: the search for the conversions that no other beats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from respike import methods
from respike.cli import console, conversions
from respike.cli.app import INTERRUPTED
from respike.cli.arguments import DatasetName, JsonFile, NetworkName, Refine
from respike.cli.networks import find
from respike.errors import InvalidOption
from respike.files import check_writable, write
from respike.report import save
from respike.report.figures import figure_format


def tune(
    network: NetworkName,
    objective: Annotated[
        str,
        typer.Option(
            "--objective", metavar="A,B,C", help="What to optimise: some of accuracy, energy, latency, spikes."
        ),
    ] = "accuracy,energy,latency",
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
        int, typer.Option(min=2, metavar="N", help="The largest number of time steps of a trial.")
    ] = 256,
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
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the search.")] = 0,
    refine: Refine = None,
    dataset: DatasetName = None,
    json: JsonFile = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw all trials and the front (.png or .svg).")
    ] = None,
) -> None:
    """Search methods and options for the best trade-offs (the Pareto front).

    Trials are scored on training images that the methods do not see, never on test images. Every finished trial is
    stored: after Ctrl-C, a kill or a crash, run the same command again to continue. `respike convert --from-study`
    converts a network as a trial did.
    """
    from respike import tuning
    from respike.cli.tables.tuned import front

    if plot is not None:
        figure_format(plot)
    for path in (json, plot):
        if path is not None:
            check_writable(path)
    objectives = tuning.objectives.named(objective.split(","))
    wanted = [method.name for method in methods.ALL] if names is None else names.split(",")
    among = [conversions.method(one.strip(), refine) for one in wanted]
    subject = find(network, dataset)
    if subject.plan is not None:
        raise InvalidOption(
            f"the network is converted already, by {subject.plan.method}: pass the network that it was made from"
        )
    scored = subject.held_out(held_out)
    with console.progress() as progress:
        found = tuning.tune(
            subject.network,
            subject.calibration,
            (scored.images, scored.labels),
            objectives=objectives,
            among=among,
            trials=trials,
            longest=longest,
            storage=storage,
            name=name or network,
            seed=seed,
            progress=progress,
        )
    for reason in dict.fromkeys(found.failed):
        console.warning(reason)
    console.OUT.print(front(found, f"{network}, {len(scored):,} training images of {scored.name}"))
    if json is not None:
        write(json, found.to_json().encode())
        console.note(f"wrote {json}")
    if plot is not None:
        save(tuning.pareto(found), plot)
        console.note(f"wrote {plot}")
    if not found.complete:
        console.note(f"interrupted: {len(found.trials)} of {trials} trials are kept in {storage}")
        raise typer.Exit(INTERRUPTED)
