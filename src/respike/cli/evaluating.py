"""`respike evaluate` and `respike compare`: what a conversion costs and gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from respike import SpikingNetwork, methods
from respike.cli import choices, options
from respike.cli.arguments import (
    CodingName,
    DatasetName,
    EngineName,
    JsonFile,
    Limit,
    MethodName,
    NetworkName,
    PlotFile,
    Rate,
    Seed,
)
from respike.cli.networks import Subject, find
from respike.cli.running import check_outputs, converted, finished, keep, measured, method_needed, stop_if_interrupted
from respike.coding import Coding
from respike.errors import InvalidOption
from respike.methods import Method

Given = Mapping[str, str | bool]


def evaluate(
    network: NetworkName,
    method: MethodName = None,
    dataset: DatasetName = None,
    limit: Limit = None,
    engine: EngineName = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    json: JsonFile = None,
    plot: PlotFile = None,
    *,
    given: Given,
) -> None:
    """Convert a network, run it on test images, and show accuracy, spikes, operations and energy.

    NETWORK may also be a file that `respike convert` wrote; then no method is needed. Ctrl-C keeps what is finished.
    """
    check_outputs(json, plot)
    simulator = choices.engine(engine)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    found = methods.find(method) if method is not None else None
    arguments = options.read(found, given) if found is not None else {}
    subject = find(network, dataset)
    spiking = _spiking(subject, found, arguments, given, chosen)
    report = measured(spiking, subject.test_images, limit, simulator)
    keep([report], json, plot, as_list=False)
    stop_if_interrupted([report], 1)


def compare(
    network: NetworkName,
    names: Annotated[str, typer.Option("--methods", "-m", metavar="A,B,C", help="Methods, with commas between.")],
    dataset: DatasetName = None,
    limit: Limit = None,
    engine: EngineName = None,
    coding: CodingName = None,
    rate: Rate = None,
    seed: Seed = None,
    json: JsonFile = None,
    plot: PlotFile = None,
    *,
    given: Given,
) -> None:
    """Convert a network by several methods and show them side by side.

    An option goes to each method that has it. Ctrl-C keeps the methods that are finished.
    """
    check_outputs(json, plot)
    simulator = choices.engine(engine)
    chosen = choices.coding(coding, rate=rate, seed=seed)
    named = [methods.find(name.strip()) for name in names.split(",")]
    arguments = [options.read(method, _share(method, named, given)) for method in named]
    subject = _unconverted(find(network, dataset))
    images = subject.test_images
    reports = finished(
        measured(converted(subject, method, own, chosen), images, limit, simulator)
        for method, own in zip(named, arguments, strict=True)
    )
    keep(reports, json, plot, as_list=True)
    stop_if_interrupted(reports, len(named))


def _spiking(
    subject: Subject, method: Method[Any] | None, arguments: Mapping[str, Any], given: Given, coding: Coding | None
) -> SpikingNetwork:
    """The network as it is to be measured: converted by the method, or as the file has it."""
    if subject.plan is None:
        return converted(subject, method_needed(method), arguments, coding)
    unwanted = [*(["--method"] if method else []), *map(options.flag, given)]
    if coding is not None:
        unwanted.append("--coding")
    if unwanted:
        raise InvalidOption(f"the network is converted already, by {subject.plan.method}: leave {unwanted[0]} out")
    return SpikingNetwork(subject.network, subject.plan)


def _share(method: Method[Any], named: list[Method[Any]], given: Given) -> Given:
    """The flags that are for this method. One that no method has goes to all, so that the first refuses it."""
    return {
        name: value
        for name, value in given.items()
        if name in method.options or not any(name in other.options for other in named)
    }


def _unconverted(subject: Subject) -> Subject:
    if subject.plan is not None:
        raise InvalidOption(f"the network is converted already, by {subject.plan.method}: use respike evaluate")
    return subject
