"""`respike evaluate` and `respike compare`: what a conversion costs and gains."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from respike import SpikingNetwork
from respike.cli import choices, console, conversions, options
from respike.cli.arguments import (
    CodingName,
    EngineName,
    Force,
    JsonFile,
    Limit,
    MethodName,
    MethodNames,
    MetricName,
    NetworkName,
    PlotFile,
    Rate,
    Refine,
    Seed,
)
from respike.cli.networks import Subject, find
from respike.cli.outputs import STDOUT
from respike.cli.running import (
    converted,
    exits_line,
    keep,
    keep_score,
    measured,
    method_needed,
    numbers_and_plot,
    scored,
    shared,
    stop_if_failed,
    stop_if_interrupted,
    trials,
)
from respike.cli.sources import Source
from respike.coding import Coding
from respike.comparing import finished
from respike.errors import InvalidOption
from respike.measure import WorkerLost, discard
from respike.measure.early_exit import Bound, EarlyExit, Margin
from respike.measure.kept import holds_batches
from respike.methods import Method

Given = Mapping[str, str | bool]

ExitRule = Annotated[
    str | None,
    typer.Option(
        "--early-exit",
        metavar="bound|margin=X[,steps=N]",
        help="Also report how many steps early exit saves. bound: exit when nothing can change the decision any more; "
        "margin: exit when the largest output probability has exceeded the second by X for N steps.",
        show_default=False,
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Keep finished batches next to the JSON file, and continue from those of an earlier run."
    ),
]


def evaluate(
    network: NetworkName,
    method: MethodName = None,
    refine: Refine = None,
    limit: Limit = None,
    engine: EngineName = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    json: JsonFile = None,
    plot: PlotFile = None,
    metric: MetricName = None,
    early_exit: ExitRule = None,
    resume: Resume = False,
    force: Force = False,
    *,
    source: Source,
    given: Given,
) -> None:
    """Convert a network, run it on test images, and show accuracy, spikes, operations and energy.

    NETWORK may also be a file written by `respike convert`, which needs no method. --metric is for outputs other than
    classes: regression, segmentation, embeddings. Ctrl-C keeps what is finished.
    Under torchrun (`torchrun --nproc-per-node 2 -m respike evaluate ...`) the processes share the images.
    """
    folder = _partial(json) if resume else None
    # What an interrupted run has written is replaced when the run goes on.
    goes_on = folder is not None and folder.exists()
    outputs = numbers_and_plot(json, plot, force=force or goes_on)
    rule = exit_rule(early_exit)
    simulator = choices.engine(engine)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    compared = choices.metric(metric)
    if compared is not None:
        if early_exit is not None or resume:
            raise InvalidOption(f"{'--early-exit' if early_exit is not None else '--resume'} is for classes: leave it")
        source = replace(source, targets=True)
    found = conversions.method(method, refine) if method is not None else None
    arguments = options.read(found, given) if found is not None else {}
    with _kept_told(folder), shared() as workers:
        subject = find(network, source)
        subject = replace(subject, network=subject.network.to(workers.device))
        spiking = spiking_network(subject, found, arguments, given, chosen, refine)
        if compared is not None:
            keep_score(scored(spiking, subject.targets, compared, limit, simulator, workers=workers), outputs)
            return
        images = subject.measured
        report = measured(spiking, images, limit, simulator, early_exit=rule, resume=folder, workers=workers)
        if workers.rank:
            return
    keep([report], outputs, as_list=False)
    if report.early_exit is not None:
        outputs.console.print(exits_line(report.early_exit, report.steps), soft_wrap=not console.OUT.is_terminal)
    if folder is not None and not report.complete:
        console.note(_kept_in(folder))
    stop_if_interrupted([report], 1)
    if folder is not None:
        discard(folder)


def compare(
    network: NetworkName,
    names: MethodNames,
    refine: Refine = None,
    limit: Limit = None,
    engine: EngineName = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    json: JsonFile = None,
    plot: PlotFile = None,
    force: Force = False,
    *,
    source: Source,
    given: Given,
) -> None:
    """Convert a network by several methods and compare the results in one table.

    Each option applies to all methods that have it, unless it stands with one of them (--methods fit,ecc:steps=32). A
    method that fails is named and left out. Ctrl-C keeps the methods that are finished.
    """
    outputs = numbers_and_plot(json, plot, force=force)
    simulator = choices.engine(engine)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    wanted = conversions.chosen(names, refine, given)
    with shared() as workers:
        subject = find(network, source).unconverted("use respike evaluate")
        subject = replace(subject, network=subject.network.to(workers.device))
        images = subject.measured
        tried = trials(subject, wanted, chosen)
        reports = finished(tried.each(lambda spiking: measured(spiking, images, limit, simulator, workers=workers)))
        if workers.rank:
            return
    keep(reports, outputs, as_list=True)
    stop_if_interrupted(reports, len(wanted) - len(tried.failed))
    stop_if_failed(tried)


def exit_rule(text: str | None) -> EarlyExit | None:
    """The rule that a text on the command line means; `InvalidOption` where it means none."""
    if text is None or text == "bound":
        return None if text is None else Bound()
    margin = re.fullmatch(r"margin=([-+.\de]+)(?:,steps=(\d+))?", text)
    try:
        if margin is not None:
            return Margin(float(margin[1]), int(margin[2] or 1))
    except ValueError:
        pass
    raise InvalidOption(f"--early-exit takes bound, margin=X or margin=X,steps=N, not {text!r}")


def _partial(json: Path | None) -> Path:
    if json is None or json == STDOUT:
        raise InvalidOption("--resume needs --json FILE: finished batches are kept beside it until it is written")
    return json.with_name(f"{json.name}.partial")


def _kept_in(folder: Path) -> str:
    return f"finished batches are kept in {folder}: the same command goes on from there"


@contextmanager
def _kept_told(folder: Path | None) -> Iterator[None]:
    """Adds to an interrupt, or to the loss of a worker, what is kept."""

    def hint() -> str:
        if folder is None:
            return "nothing is kept without --resume"
        return _kept_in(folder) if holds_batches(folder) else "no batch was finished: nothing is kept"

    try:
        yield
    except KeyboardInterrupt as stop:
        if folder is not None:
            stop.add_note(hint())
        raise
    except WorkerLost as lost:
        raise WorkerLost(f"{lost}; {hint()}") from lost


def spiking_network(
    subject: Subject,
    method: Method[Any] | None,
    arguments: Mapping[str, Any],
    given: Given,
    coding: Coding | None,
    refine: str | None,
) -> SpikingNetwork:
    """The network as it is to be measured: converted by the method, or as the file has it."""
    if subject.plan is None:
        return converted(subject, method_needed(method), arguments, coding)
    flags = {"--method": method, "--refine": refine, "--coding": coding}
    unwanted = [*(flag for flag, value in flags.items() if value is not None), *map(options.flag, given)]
    if unwanted:
        raise InvalidOption(f"the network is converted already, by {subject.plan.method}: leave {unwanted[0]} out")
    return SpikingNetwork(subject.network, subject.plan)
