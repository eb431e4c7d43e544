"""From converted networks, and what was measured of them, to the numbers of a page."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from respike.coding import Coding
from respike.errors import InvalidData
from respike.measure import names
from respike.progress import Progress, silent
from respike.report.decisions import changes, confusion, lost, network_right, worth_showing
from respike.report.page_data import (
    Bounds,
    Curve,
    Example,
    Layer,
    LayerCost,
    LayerRun,
    MethodData,
    PageData,
    pareto_front,
    rounded,
)
from respike.report.pictures import picture
from respike.report.raster import raster
from respike.report.runs import Run
from respike.report.sampling import by_layer, images_to_sample, layer_run, sample
from respike.schedule import Layerwise
from respike.spiking import SpikingNetwork
from respike.version import __version__

Images: TypeAlias = Callable[[int], Tensor]
"""Gives the image of a number in the data set, `[*shape]`."""


def collect(
    runs: Sequence[Run],
    image: Images,
    labels: Tensor,
    network_decisions: Tensor,
    classes: Sequence[str],
    *,
    failed: Mapping[str, str] | None = None,
    bounds: Bounds | None = None,
    progress: Progress = silent,
) -> PageData:
    """What a page shows of several conversions of one network. Changes nothing, and gives the same for the same.

    Args:
        runs: the conversions, each measured on the same images, or on the first of them where it was interrupted.
        image: gives the images that were measured, by number: the first ones are looked into, some others shown.
        labels: of all images that were measured.
        network_decisions: of the network itself, for the same images.
        classes: the names of the classes.
        failed: the methods that did not convert the network, and why.
        bounds: how much the page may hold.
        progress: called with the number of runs done.

    Raises `InvalidData` where there is no run, or the runs are of different networks.
    """
    bounds = bounds or Bounds()
    if len({run.report.network for run in runs}) != 1:
        raise InvalidData("a report needs at least one run, and all runs must be of the same network")
    reports = [run.report for run in runs]
    front, called = pareto_front(reports), names(reports)
    bounds = _for_all(bounds, runs)
    size = min(len(labels), *(images_to_sample(run.spiking, bounds) for run in runs))
    images = torch.stack([image(number) for number in range(size)])
    shown = {number: (image(number), why) for number, why in worth_showing(runs, labels, network_decisions).items()}
    layers: dict[str, Layer] = {}
    looked_into: list[dict[str, LayerRun]] = []
    methods = []
    for number, run in enumerate(runs):
        found = sample(run.spiking, images, bounds)
        for one in by_layer(found, bounds.bins):
            layers.setdefault(one.name, one)
        looked_into.append(
            {
                name: layer_run(run.spiking, run.spiking.plan.sites[name], part, bounds.points_per_layer, bounds.bins)
                for name, part in found.items()
            }
        )
        pictures = [one for one, _ in shown.values()]
        methods.append(
            _method(run, called[number], number in front, pictures, labels, network_decisions, len(classes), bounds)
        )
        progress("looking into the layers", number + 1, len(runs))
    order = _front_to_back(layers, looked_into)
    energy, macs = runs[0].energy, reports[0].macs
    return PageData(
        network=reports[0].network,
        dataset=reports[0].dataset,
        classes=_named(classes, runs[0].spiking),
        images=max(report.images for report in reports),
        sampled=len(images),
        layers=tuple(layers[name] for name in order),
        methods=tuple(
            replace(method, layers=tuple(found.get(name) for name in order))
            for method, found in zip(methods, looked_into, strict=True)
        ),
        failed=tuple((failed or {}).items()),
        examples=tuple(
            _example(runs[0].spiking, number, one, int(labels[number]), why) for number, (one, why) in shown.items()
        ),
        lost=tuple(
            replace(one, picture=picture(runs[0].spiking.plan.still(image(one.number)[None])[0], bounds.thumbnail))
            for one in lost(runs, labels, network_decisions, [method.curve.step for method in methods], bounds)
        ),
        confusion=confusion(labels, network_decisions, len(classes), bounds),
        mac_energy=energy(1, 0) / energy(macs, 0),
        addition_energy=energy(0, 1) / energy(macs, 0),
        versions=(
            ("respike", __version__),
            ("PyTorch", torch.__version__),
            ("Python", platform.python_version()),
        ),
    )


def moments(times: Sequence[int], most: int, wanted: Sequence[int]) -> tuple[int, ...]:
    """At most about so many of the steps of a run, ever further apart, the wanted ones and the last one among them."""
    if len(times) <= most:
        return tuple(times)
    ratio = times[-1] / times[0]
    spread = (round(times[0] * ratio ** (place / (most - 1))) for place in range(most))
    return tuple(sorted({*spread, *wanted, times[-1]}))


def _for_all(bounds: Bounds, runs: Sequence[Run]) -> Bounds:
    """The bounds of one layer or one method that keep those of the page."""
    parts = sum(len(run.spiking.plan.sites) for run in runs)
    costs = sum(len(run.layers) for run in runs)
    return replace(
        bounds,
        moments=max(12, min(bounds.moments, bounds.layer_numbers // max(1, costs))),
        points_per_layer=max(12, min(bounds.points_per_layer, bounds.points // max(1, parts))),
        bins=max(12, min(bounds.bins, bounds.bins_together // max(1, parts))),
        raster_spikes=max(500, min(bounds.raster_spikes, bounds.raster_spikes_together // (3 * len(runs)))),
    )


def _method(
    run: Run,
    name: str,
    pareto: bool,
    pictures: Sequence[Tensor],
    labels: Tensor,
    network_decisions: Tensor,
    classes: int,
    bounds: Bounds,
) -> MethodData:
    """What the page says of a conversion; its layers come later, when those of all conversions have an order."""
    schedule = run.spiking.plan.schedule
    curve = _curve(run, labels, network_decisions, bounds)
    return MethodData(
        name=name,
        report=run.report,
        pareto=pareto,
        curve=curve,
        schedule=schedule.describe(),
        window=schedule.window if isinstance(schedule, Layerwise) else None,
        input_share=tuple(min(1.0, step / schedule.input_steps) for step in curve.step),
        coding=_coding(run.spiking.plan.coding),
        cites=run.spiking.plan.cites,
        costs=_costs(run, curve.step),
        layers=(),
        rasters=tuple(raster(run.spiking, one.unsqueeze(0), place, bounds) for place, one in enumerate(pictures)),
        confusion=replace(
            confusion(labels[: len(run.decided)], run.decided, classes, bounds),
            changes=changes(labels, _at(run, curve.step), classes, bounds),
        ),
    )


def _named(classes: Sequence[str], spiking: SpikingNetwork) -> tuple[str, ...]:
    """A name for each output: its number where it has no other."""
    outputs = spiking.network.neurons(spiking.network.outputs[0])
    given = [*classes, *[""] * (outputs - len(classes))]
    return tuple(name if name.strip() else str(number) for number, name in enumerate(given))


def _curve(run: Run, labels: Tensor, network_decisions: Tensor, bounds: Bounds) -> Curve:
    """What a run gives and costs at its moments, as the report has it."""
    report = run.report
    steps = moments(report.times, bounds.moments, [report.headline.step])
    costs = [report.after(step) for step in steps]
    wrong = _at(run, steps) != labels[: report.images]
    right = network_right(labels, network_decisions)[: report.images]
    stands = report.steps_to_network_accuracy
    return Curve(
        step=steps,
        accuracy=rounded((cost.accuracy for cost in costs), 6),
        low=rounded((cost.low for cost in costs), 6),
        high=rounded((cost.high for cost in costs), 6),
        spikes=rounded((cost.spikes_per_neuron for cost in costs), 6),
        operations=rounded((cost.synaptic_operations for cost in costs), 6),
        energy=rounded((cost.energy_ratio for cost in costs), 6),
        lost=tuple((wrong & right).sum(1).tolist()),
        gained=tuple((~wrong & ~right).sum(1).tolist()),
        stands=None if stands is None else steps.index(stands),
    )


def _at(run: Run, steps: Sequence[int]) -> Tensor:
    """What was decided after some steps, `[steps, images]`."""
    return run.decisions[torch.tensor(steps) - run.report.times[0]]


def _costs(run: Run, steps: Sequence[int]) -> tuple[LayerCost, ...]:
    found = []
    for layer in run.layers:
        spikes, operations = layer.at(steps)
        found.append(
            LayerCost(
                layer.name,
                layer.kind,
                layer.neurons,
                layer.macs,
                layer.original_macs,
                rounded(spikes),
                rounded(operations),
            )
        )
    return tuple(found)


def _front_to_back(layers: Mapping[str, Layer], found: Sequence[Mapping[str, LayerRun]]) -> list[str]:
    """The layers of all methods in one order, in which those of each method keep theirs."""
    order: list[str] = []
    for one in found:
        place = 0
        for name in one:
            if name in order:
                place = max(place, order.index(name) + 1)
            else:
                order.insert(place, name)
                place += 1
    return [name for name in order if name in layers]


def _example(spiking: SpikingNetwork, number: int, image: Tensor, label: int, why: str) -> Example:
    still = spiking.plan.still(image.unsqueeze(0))
    with torch.no_grad():
        outputs = spiking.network(still)[0]
    return Example(number, label, why, picture(still[0]), rounded(outputs.tolist()))


def _coding(coding: Coding) -> str:
    return repr(coding).removesuffix("()")
