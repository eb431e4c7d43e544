"""`respike report`: a page that people look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from respike.cli import choices, console, conversions
from respike.cli.arguments import CodingName, Force, Limit, MethodNames, NetworkName, Rate, Refine, Seed
from respike.cli.experiment import SUFFIX, Experiment
from respike.cli.networks import find
from respike.cli.outputs import STDOUT, Outputs
from respike.cli.running import measured, stop_if_failed, stop_if_interrupted, trials
from respike.cli.sources import Source
from respike.cli.tables import summary
from respike.cli.wording import told
from respike.comparing import Trials
from respike.data import Dataset
from respike.engines import fastest
from respike.files import check_folder
from respike.report import PageData, Run, Witness, collect, page, save_figures
from respike.spiking import SpikingNetwork

BESIDE = "the file beside the page"


def report(
    network: NetworkName,
    names: MethodNames,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write (.html).")],
    refine: Refine = None,
    limit: Limit = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="DIR", help="Also write the figures to this folder, as PNG and SVG."),
    ] = None,
    force: Force = False,
    *,
    context: typer.Context,
    source: Source,
    given: Mapping[str, str | bool],
) -> None:
    """Convert a network by several methods, measure them, and write an HTML report.

    The page shows accuracy over time and against energy, what each layer does, the spikes of single images, and which
    classes are confused. It needs no internet access. Each option applies to all methods that have it, unless it stands
    with one of them (--methods ecc,few_spikes:steps=6). A method that fails is named on the page, with the reason.
    Ctrl-C keeps the methods that are finished. Beside the page stands a file with all options, from which `respike run`
    makes it again.
    """
    beside = out.with_suffix(SUFFIX) if out != STDOUT else None
    outputs = Outputs({"--out": out, BESIDE: beside}, force)
    if figures is not None:
        check_folder(figures, force=force)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    wanted = conversions.chosen(names, refine, given)
    subject = find(network, source).unconverted("use respike evaluate")
    images = subject.test_images
    tried = trials(subject, wanted, chosen)
    runs, decisions = _runs(tried, images, limit)
    if not runs:
        stop_if_failed(tried)
    reports = [run.report for run in runs]
    outputs.console.print(summary(reports))
    try:
        data = _collected(runs, decisions, images, tried)
        outputs.write("--out", page(data).encode())
        outputs.write(BESIDE, Experiment.of(context, without=("out", "figures", "force")).toml().encode())
    except KeyboardInterrupt as stop:
        stop.add_note("no page was written")
        raise
    if figures is not None:
        try:
            save_figures(data, figures)
        except KeyboardInterrupt as stop:
            stop.add_note("the page is complete, but some figures are missing")
            raise
        console.note(f"wrote the figures to {figures}")
    stop_if_interrupted(reports, len(wanted) - len(tried.failed))
    stop_if_failed(tried)


def _runs(tried: Trials, images: Dataset, limit: int | None) -> tuple[list[Run], Tensor]:
    """The methods one after the other, and what the network itself decides; Ctrl-C keeps those that are finished."""
    runs: list[Run] = []
    network_decisions = [torch.empty(0)]

    def run(spiking: SpikingNetwork) -> Run:
        witness = Witness(fastest(spiking.network, spiking.plan), network_too=not runs)
        found = measured(spiking, images, limit, witness)
        if not runs:
            network_decisions[0] = witness.network_decisions(found.images)
        return witness.run(spiking, found)

    try:
        for one in tried.each(run):
            runs.append(one)
            if not one.report.complete:
                break
    except KeyboardInterrupt as stop:
        if not runs:
            stop.add_note("no page was written")
            raise
    return runs, network_decisions[0]


def _collected(runs: Sequence[Run], network_decisions: Tensor, images: Dataset, tried: Trials) -> PageData:
    labels = images.labels[: len(network_decisions)] if images.labelled else network_decisions
    failed = {
        str(one).removesuffix("()"): told(error).removeprefix(f"{one.method.name}: ") for one, error in tried.failed
    }
    with console.progress() as progress:
        return collect(
            runs,
            partial(_image, images),
            labels,
            network_decisions,
            images.classes,
            failed=failed,
            progress=progress,
        )


def _image(images: Dataset, number: int) -> Tensor:
    """One image, without reading those in front of it."""
    part = slice(number, number + 1)
    return replace(images, pixels=images.pixels[part], labels=images.labels[part]).images[0]
