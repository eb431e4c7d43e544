"""What `evaluate`, `compare`, `convert` and `demo` share: planning, measuring, and keeping what was measured."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer
from torch import Tensor

from respike import Report, Score, SpikingNetwork, measure, score
from respike.cli import INTERRUPTED, console
from respike.cli.app import FAILED
from respike.cli.estimate import announce
from respike.cli.networks import Subject
from respike.cli.outputs import Outputs
from respike.cli.tables import score_table, summary
from respike.cli.wording import told
from respike.coding import Coding, Frames
from respike.comparing import Chosen, Trials
from respike.cost import depth
from respike.data import Dataset
from respike.engines import Engine, fastest, few_spikes
from respike.engines.event import COMPILED
from respike.errors import Argument, InvalidOption
from respike.ir import Network
from respike.measure import ALONE, Exits, WorkerLost, Workers, workers
from respike.measure.early_exit import EarlyExit
from respike.methods import Method
from respike.metrics import Metric
from respike.plan import Plan
from respike.progress import listening
from respike.schedule import InputThenDrain, Layerwise
from respike.summarised import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENOUGH_IMAGES = 100
"""Calibration images below which a conversion is warned of."""
DEEP = 10
"""Layers above which neurons that lose charge are warned of."""


def converted(
    subject: Subject, method: Method[Any], options: Mapping[str, Any], coding: Coding | None = None
) -> SpikingNetwork:
    """The network as the method converts it, with the input coding that was asked for, or the method's own."""
    with console.progress() as progress, listening(progress):
        progress(f"{method.name}: planning", 0, None)
        calibration = subject.calibration if method.needs_calibration else None
        chosen = Frames() if coding is None and subject.over_time else coding
        spiking = Chosen(method, options).convert(subject.network, calibration, chosen)
    plan = spiking.plan
    _forewarn(method.name, subject.network, plan, calibration)
    match plan.schedule:
        case InputThenDrain(input_steps=given, drain_steps=drained) if not {"input_steps", "drain_steps"} <= {*options}:
            console.note(f"{method.name} chose {given} steps with input and {drained} without")
        case _:
            pass
    return spiking


def _forewarn(name: str, network: Network, plan: Plan, calibration: Tensor | None) -> None:
    """Says before a run what it will suffer from: too few calibration images, or charge lost in many layers."""
    if calibration is not None and len(calibration) < ENOUGH_IMAGES:
        console.warning(
            f"{name} saw {len(calibration)} calibration images: with fewer than {ENOUGH_IMAGES}, accuracy may be lost "
            "by scales that other images exceed (--calibration gives it more)"
        )
    if not network.activations:
        console.warning(f"{network.origin} has no activations, so nothing in it spikes: it computes as it did")
    layers = depth(network, plan.analog)
    if layers > DEEP and any(not site.neuron.lossless for site in plan.sites.values()):
        console.warning(
            f"neurons of {name} reset to a value and lose what exceeds the threshold, in each of {layers} layers: "
            "networks as deep as this hardly decide anything then; neurons that subtract keep it (--reset subtract, "
            "or --method max_norm)"
        )


def trials(subject: Subject, wanted: Sequence[Chosen], coding: Coding | None) -> Trials:
    """The conversions of a network by several methods; those that fail are told at once, and left out."""

    def convert(one: Chosen) -> SpikingNetwork:
        with _with_its_own(one, wanted):
            return converted(subject, one.method, one.options, coding)

    found = Trials.of(wanted, convert, lambda error: console.error(told(error)))
    _tell_steps_apart(found.planned)
    return found


@contextmanager
def _with_its_own(one: Chosen, wanted: Sequence[Chosen]) -> Iterator[None]:
    """Says in an error of an option that several methods were given how one of them gets its own."""
    try:
        yield
    except InvalidOption as wrong:
        for name in {part.name for part in wrong.args if isinstance(part, Argument)} & one.options.keys():
            if any(other is not one and other.options.get(name) == one.options[name] for other in wanted):
                wrong.args = (*wrong.args, f"; {one.method.name}:{name}=X in --methods is for {one.method.name} alone")
        raise


def stop_if_failed(tried: Trials) -> None:
    """Ends the program with the code of bad input where a method failed; what others gave is kept by then."""
    if tried.failed:
        every = len(tried.failed) == len(tried.planned) + len(tried.failed)
        left_out = ", ".join(one.method.name for one, _ in tried.failed)
        console.note(f"left out: {left_out}" if not every else "all methods failed")
        raise typer.Exit(FAILED)


def _tell_steps_apart(planned: Sequence[tuple[Chosen, SpikingNetwork]]) -> None:
    """`--steps` counts time steps for most methods, and the steps of each layer (K) for few-spikes neurons."""
    layerwise = {
        one.method.name: isinstance(spiking.plan.schedule, Layerwise)
        for one, spiking in planned
        if "steps" in one.options
    }
    if len(set(layerwise.values())) == 2:
        few, others = ([name for name, is_few in layerwise.items() if is_few == kind] for kind in (True, False))
        console.note(
            f"--steps: for {', '.join(few)} the steps K of each layer, for {', '.join(others)} the time steps of the "
            f"whole network; a method's own stand with it: --methods {few[0]}:steps=6"
        )


def measured(
    spiking: SpikingNetwork,
    images: Dataset,
    limit: int | None,
    engine: Engine | None = None,
    *,
    early_exit: EarlyExit | None = None,
    resume: Path | None = None,
    workers: Workers = ALONE,
) -> Report:
    """The report on a converted network, with a progress bar; a long measurement says before how long it takes."""
    if workers is ALONE:
        announce(spiking, images, limit, engine)
        _tell_if_slow(spiking, engine)
    with console.progress() as progress:
        return measure(
            spiking,
            images,
            engine=engine,
            limit=limit,
            early_exit=early_exit,
            dataset_name=images.name,
            progress=progress,
            resume=resume,
            workers=workers,
        )


def scored(
    spiking: SpikingNetwork,
    images: Dataset,
    metric: Metric,
    limit: int | None,
    engine: Engine | None = None,
    *,
    workers: Workers = ALONE,
) -> Score:
    """The score of a converted network, with a progress bar; `InvalidOption` where several processes share the work."""
    if workers is not ALONE:
        raise InvalidOption("--metric measures in one process: run it without torchrun")
    announce(spiking, images, limit, engine)
    _tell_if_slow(spiking, engine)
    with console.progress() as progress:
        return score(spiking, images, metric, engine=engine, limit=limit, dataset_name=images.name, progress=progress)


def keep_score(found: Score, outputs: Outputs) -> None:
    """Prints the score over time and writes the files."""
    outputs.console.print(score_table(found))
    outputs.write("--json", f"{found.to_json()}\n".encode())
    if outputs.files["--plot"] is not None:
        draw(cast("Figure", found.plot().figure), outputs)


def _tell_if_slow(spiking: SpikingNetwork, engine: Engine | None) -> None:
    """Says, once, that a slower engine runs because the package was installed without a compiler."""
    chosen = engine or fastest(spiking.network, spiking.plan)
    if not COMPILED and engine is None and chosen is not few_spikes and spiking.network.device.type == "cpu":
        _told_slow()


@cache
def _told_slow() -> None:
    console.note(
        "the event engine was not compiled, so a slower one runs: install respike where there is a C++ compiler "
        "(the results are the same)"
    )


@contextmanager
def shared() -> Iterator[Workers]:
    """Those that torchrun started, if it did; all but the first are silent, errors apart."""
    with workers() as together:
        if together is ALONE:
            yield together
            return
        usual = signal.signal(signal.SIGTERM, _stopped)
        console.OUT.quiet = console.ERR.quiet = together.rank > 0
        try:
            yield together
        finally:
            console.OUT.quiet = console.ERR.quiet = False
            signal.signal(signal.SIGTERM, usual)


def _stopped(*_: object) -> None:
    """What torchrun does to all workers when one of them has ended; which that was it says itself."""
    raise WorkerLost("this worker was told to stop, as torchrun does when another one has ended")


def exits_line(exits: Exits, steps: int) -> str:
    """What leaving early gives, in a sentence."""
    return (
        f"early exit ({exits.rule}): {exits.steps_used:.2f} of {steps} steps on average, "
        f"{100 * exits.exited:.1f} % of the images exit before the last; "
        f"{100 * exits.accuracy:.2f} % correct, {100 * exits.agreement:.2f} % agree with the last step"
    )


def numbers_and_plot(json: Path | None, plot: Path | None, *, force: bool) -> Outputs:
    """The outputs of a command that writes what it measured, and draws it."""
    if plot is not None:
        from respike.report.figures import figure_format

        figure_format(plot)
    return Outputs({"--json": json, "--plot": plot}, force)


def keep(reports: Sequence[Report], outputs: Outputs, *, as_list: bool) -> None:
    """Prints the table and writes the files, where there is a report at all."""
    if not reports:
        return
    outputs.console.print(summary(reports))
    texts = [report.to_json() for report in reports]
    outputs.write("--json", ("[" + ",\n".join(texts) + "]\n" if as_list else texts[0] + "\n").encode())
    if outputs.files["--plot"] is not None:
        from respike.report import accuracy_over_time

        draw(accuracy_over_time(reports), outputs)


def draw(figure: Figure, outputs: Outputs) -> None:
    """Writes the figure where `--plot` says."""
    from respike.report.figures import encoded, figure_format

    plot = outputs.files["--plot"]
    if plot is not None:
        outputs.write("--plot", encoded(figure, figure_format(plot)))


def stop_if_interrupted(reports: Sequence[Report], wanted: int) -> None:
    """Ends the program with the code of an interrupt where a report is missing or covers only a part of the images."""
    unfinished = [report for report in reports if not report.complete]
    if len(reports) == wanted and not unfinished:
        return
    for report in unfinished:
        console.note(f"interrupted: {report.method} covers the first {counted(report.images, 'image')} only")
    if len(reports) < wanted:
        console.note(f"interrupted: {len(reports)} of {wanted} runs are kept")
    raise typer.Exit(INTERRUPTED)


def method_needed(method: Method[Any] | None) -> Method[Any]:
    """The method; `InvalidOption` where none was given."""
    if method is None:
        raise InvalidOption("choose how to convert the network with --method (respike methods lists them)")
    return method
