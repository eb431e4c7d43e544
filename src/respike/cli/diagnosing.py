"""`respike diagnose`: where a conversion loses accuracy, and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from respike import diagnose as diagnosis_of
from respike.cli import choices, console, options
from respike.cli.arguments import (
    CodingName,
    DatasetName,
    EngineName,
    JsonFile,
    Limit,
    MethodName,
    NetworkName,
    Rate,
    Seed,
)
from respike.cli.evaluating import spiking_network
from respike.cli.networks import find
from respike.cli.running import check_outputs
from respike.cli.tables import diagnosed
from respike.files import write


def diagnose(
    network: NetworkName,
    method: MethodName = None,
    dataset: DatasetName = None,
    limit: Limit = 500,
    engine: EngineName = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    allowed_loss: Annotated[
        float, typer.Option(metavar="POINTS", min=0, max=99, help="A loss of accuracy up to this is none.")
    ] = 1.0,
    try_changes: Annotated[
        bool, typer.Option("--try/--no-try", help="Try what is advised on the same images; each takes one more run.")
    ] = True,
    json: JsonFile = None,
    *,
    given: Mapping[str, str | bool],
) -> None:
    """Convert a network, find the layer that loses the accuracy, and say what to change.

    For when 75 % became 11 %. Each layer's spikes are compared with the network's activations: correlation, error,
    saturated, silent and dead neurons. Then layers are replaced front to back, to see with which one accuracy goes.
    Rules with stated thresholds turn the figures into advice, and what is advised is tried on the same test images.

    NETWORK may also be a file that `respike convert` wrote; then no method is needed.
    """
    check_outputs(json, None)
    simulator = choices.engine(engine)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    found = choices.method(method) if method is not None else None
    arguments = options.read(found, given) if found is not None else {}
    subject = find(network, dataset)
    spiking = spiking_network(subject, found, arguments, given, chosen)
    images = subject.test_images if limit is None else subject.test_images.take(limit)
    with console.progress() as progress:
        diagnosis = diagnosis_of(
            spiking,
            images.images,
            images.labels,
            tolerance=allowed_loss / 100,
            try_changes=try_changes,
            engine=simulator,
            dataset_name=images.name,
            method=found,
            progress=progress,
        )
    console.OUT.print(diagnosed(diagnosis, options.remedy))
    if json is not None:
        write(json, f"{diagnosis.to_json()}\n".encode())
        console.note(f"wrote {json}")
