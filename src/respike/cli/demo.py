"""`respike demo`: the networks that come with respike, on the whole test set, without a download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from respike import Report, methods
from respike.cli.arguments import Force, Limit
from respike.cli.networks import find
from respike.cli.running import converted, keep, measured, numbers_and_plot, stop_if_interrupted
from respike.cli.sources import Source
from respike.comparing import finished
from respike.errors import InvalidFile


@dataclass(frozen=True)
class Run:
    """One network, converted by one method."""

    network: str
    method: str
    options: Mapping[str, int]


_DATA_NORM_STEPS = 40

RUNS: tuple[Run, ...] = (
    Run("mnist-mlp", "fit", {"input_steps": 5, "drain_steps": 4}),
    Run("mnist-mlp", "data_norm", {"steps": _DATA_NORM_STEPS}),
    Run("mnist-cnn", "fit", {"input_steps": 12, "drain_steps": 25}),
    Run("mnist-cnn", "data_norm", {"steps": _DATA_NORM_STEPS}),
    Run("mnist-cnn-diehl", "fit", {"input_steps": 12, "drain_steps": 25}),
    Run("mnist-cnn-diehl", "data_norm", {"steps": _DATA_NORM_STEPS}),
)


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the picture and the numbers.")] = Path("out"),
    limit: Limit = None,
    force: Force = False,
) -> None:
    """Convert the three MNIST networks that come with respike, and show what that costs and gains.

    Nothing is downloaded. It takes one or two minutes on two cores. Ctrl-C keeps what is finished.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidFile(f"cannot make the folder {out}: {error.strerror}") from error
    json_file, plot = out / "demo.json", out / "accuracy-over-time.png"
    outputs = numbers_and_plot(json_file, plot, force=force)
    reports = finished(_report(run, limit) for run in RUNS)
    keep(reports, outputs, as_list=True)
    stop_if_interrupted(reports, len(RUNS))


def _report(run: Run, limit: int | None) -> Report:
    subject = find(run.network, Source())
    spiking = converted(subject, methods.find(run.method), run.options)
    return measured(spiking, subject.test_images, limit)
