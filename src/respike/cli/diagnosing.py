"""`respike diagnose`: where a conversion loses accuracy, and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from torch import Tensor

from respike import diagnose as diagnosis_of
from respike.cli import choices, console, conversions, options
from respike.cli.arguments import (
    CodingName,
    EngineName,
    Force,
    JsonFile,
    Limit,
    MethodName,
    NetworkName,
    Rate,
    Refine,
    Seed,
)
from respike.cli.evaluating import spiking_network
from respike.cli.networks import Subject, find
from respike.cli.outputs import Outputs
from respike.cli.sources import Source
from respike.cli.tables import diagnosed
from respike.errors import RespikeError


def diagnose(
    network: NetworkName,
    method: MethodName = None,
    refine: Refine = None,
    limit: Limit = 500,
    engine: EngineName = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    allowed_loss: Annotated[
        float, typer.Option(metavar="POINTS", min=0, max=99, help="Ignore a loss of accuracy up to this.")
    ] = 1.0,
    try_changes: Annotated[
        bool,
        typer.Option(
            "--try/--no-try", help="Try the suggested changes on the same images; each trial is one more run."
        ),
    ] = True,
    json: JsonFile = None,
    force: Force = False,
    *,
    source: Source,
    given: Mapping[str, str | bool],
) -> None:
    """Convert a network, find the layer that loses accuracy, and suggest what to change.

    Use it when a conversion loses too much accuracy. It compares each layer's spikes with the network's activations
    (correlation, error, saturated, silent and dead neurons), and replaces the layers one by one, from the first to the
    last, to find the one with which accuracy drops. Rules with fixed thresholds turn these figures into suggestions,
    which are then tried on the same test images.

    NETWORK may also be a file written by `respike convert`, which needs no method.
    """
    outputs = Outputs({"--json": json}, force)
    simulator = choices.engine(engine)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    found = conversions.method(method, refine) if method is not None else None
    arguments = options.read(found, given) if found is not None else {}
    subject = find(network, source)
    spiking = spiking_network(subject, found, arguments, given, chosen, refine)
    images = subject.test_images if limit is None else subject.test_images.take(limit)
    with console.progress() as progress:
        diagnosis = diagnosis_of(
            spiking,
            images.images,
            images.labels if images.labelled else None,
            tolerance=allowed_loss / 100,
            try_changes=try_changes,
            engine=simulator,
            dataset_name=images.name,
            method=found,
            calibration=_calibration(subject) if try_changes else None,
            progress=progress,
        )
    outputs.console.print(diagnosed(diagnosis, options.remedy))
    outputs.write("--json", f"{diagnosis.to_json()}\n".encode())


def _calibration(subject: Subject) -> Tensor | None:
    """Images to convert the network again by; None where its data set has none."""
    try:
        return subject.calibration
    except RespikeError:
        return None
