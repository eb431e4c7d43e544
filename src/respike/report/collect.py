"""From converted networks, and what was measured of them, to the numbers of a page."""

from __future__ import annotations

import base64
import io
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from PIL import Image
from torch import Tensor

from respike.coding import Coding
from respike.errors import InvalidData
from respike.measure import Report
from respike.progress import Progress, silent
from respike.report.page_data import (
    Bounds,
    Confusion,
    Example,
    MethodData,
    PageData,
    names,
    pareto_front,
    rounded,
)
from respike.report.raster import raster
from respike.report.sampling import by_layer, images_to_sample, layer_run, sample
from respike.schedule import InputThenDrain, Layerwise, Schedule, Steady
from respike.spiking import SpikingNetwork
from respike.version import __version__


@dataclass(frozen=True, eq=False)
class Run:
    """A conversion that was measured.

    Args:
        spiking: the converted network.
        report: what was measured.
        decisions: what it decided for each image that the report covers, `[images]`.
    """

    spiking: SpikingNetwork
    report: Report
    decisions: Tensor


@dataclass(frozen=True, eq=False)
class Shown:
    """An image whose spikes are shown.

    Args:
        number: in the data set.
        image: `[*shape]`.
        label: its class.
        why: why it is shown.
    """

    number: int
    image: Tensor
    label: int
    why: str


def worth_showing(runs: Sequence[Run], labels: Tensor, network_decisions: Tensor) -> dict[int, str]:
    """Up to three images whose spikes are worth a look, by number, and why: the first, one lost, one never right.

    Args:
        runs: the conversions.
        labels: of all images that were measured, `[images]`.
        network_decisions: of the network itself, `[images]`.
    """
    right = network_decisions == labels
    found = {0: "the first image"}
    for run in runs:
        lost = right[: len(run.decisions)] & (run.decisions != network_decisions[: len(run.decisions)])
        if bool(lost.any()):
            found.setdefault(int(lost.nonzero()[0]), f"lost by {run.report.method}: the network is right")
            break
    if not bool(right.all()):
        found.setdefault(int((~right).nonzero()[0]), "the network itself is wrong")
    return found


def sample_size(runs: Sequence[Run], bounds: Bounds | None = None) -> int:
    """How many images `collect` wants to look into; fewer for a large network."""
    return min(images_to_sample(run.spiking, bounds or Bounds()) for run in runs)


def collect(
    runs: Sequence[Run],
    images: Tensor,
    labels: Tensor,
    network_decisions: Tensor,
    shown: Sequence[Shown],
    classes: Sequence[str],
    *,
    bounds: Bounds | None = None,
    progress: Progress = silent,
) -> PageData:
    """What a page shows of several conversions of one network. Changes nothing, and gives the same for the same.

    Args:
        runs: the conversions, each measured on the same images, or on the first of them where it was interrupted.
        images: the first images of the data set, into whose activations and spikes to look, `[sample, *shape]`.
        labels: of all images that were measured.
        network_decisions: of the network itself, for the same images.
        shown: the images of the rasters.
        classes: the names of the classes.
        bounds: how much the page may hold.
        progress: called with the number of runs done.

    Raises `InvalidData` where there is no run, or the runs are of different networks.
    """
    bounds = bounds or Bounds()
    if len({run.report.network for run in runs}) != 1:
        raise InvalidData("a report needs at least one run, and all runs must be of the same network")
    reports = [run.report for run in runs]
    front, called = pareto_front(reports), names(reports)
    images = images[: sample_size(runs, bounds)]
    layers, methods = None, []
    for number, run in enumerate(runs):
        found = sample(run.spiking, images, bounds)
        layers = layers or by_layer(found, bounds.bins)
        points = max(50, min(bounds.points_per_layer, bounds.points // max(1, len(found) * len(runs))))
        plan = run.spiking.plan
        methods.append(
            MethodData(
                name=called[number],
                report=run.report,
                pareto=number in front,
                headline=run.report.headline,
                end=run.report.end,
                times=tuple(run.report.times),
                schedule=_schedule(plan.schedule),
                coding=_coding(plan.coding),
                cites=plan.cites,
                layers=tuple(
                    layer_run(run.spiking, plan.sites[name], part, points, bounds.bins) for name, part in found.items()
                ),
                rasters=tuple(raster(run.spiking, each.image.unsqueeze(0), each.number, bounds) for each in shown),
                confusion=confusion(labels[: len(run.decisions)], run.decisions, len(classes), bounds),
            )
        )
        progress("looking into the layers", number + 1, len(runs))
    outputs = runs[0].spiking.network.neurons(runs[0].spiking.network.outputs[0])
    return PageData(
        network=reports[0].network,
        dataset=reports[0].dataset,
        classes=tuple(classes) + tuple(map(str, range(len(classes), outputs))),
        images=max(report.images for report in reports),
        sampled=len(images),
        layers=layers or (),
        methods=tuple(methods),
        examples=tuple(_example(runs[0].spiking, each) for each in shown),
        confusion=confusion(labels, network_decisions, len(classes), bounds),
        versions=(
            ("respike", __version__),
            ("PyTorch", torch.__version__),
            ("Python", platform.python_version()),
        ),
    )


def confusion(labels: Tensor, decisions: Tensor, classes: int, bounds: Bounds) -> Confusion:
    """How often one class was taken for another."""
    pairs = Counter(zip(labels.tolist(), decisions.tolist(), strict=True))
    size = max([classes, *(1 + max(pair) for pair in pairs)])
    wrong = sorted(((*pair, count) for pair, count in pairs.items() if pair[0] != pair[1]), key=lambda e: (-e[2], e))
    matrix = tuple(tuple(pairs[true, decided] for decided in range(size)) for true in range(size))
    return Confusion(
        matrix=matrix if size <= bounds.classes else None,
        worst=tuple(wrong[:15]),
        images=tuple(int((labels == true).sum()) for true in range(size)),
    )


def picture(image: Tensor) -> str | None:
    """An image `[1 or 3, height, width]` as a PNG in base64; None where it is none.

    Values in [0, 1] are shown as they are; others are stretched to that range.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        return None
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        image = (image - low) / max(high - low, 1e-12)
    pixels = (image * 255).round().to(torch.uint8).movedim(0, -1).cpu().numpy()
    content = io.BytesIO()
    Image.fromarray(numpy.ascontiguousarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)).save(
        content, "PNG"
    )
    return base64.b64encode(content.getvalue()).decode()


def _example(spiking: SpikingNetwork, shown: Shown) -> Example:
    with torch.no_grad():
        outputs = spiking.network(shown.image.unsqueeze(0))[0]
    return Example(shown.number, shown.label, shown.why, picture(shown.image), rounded(outputs.tolist()))


def _schedule(schedule: Schedule) -> str:
    match schedule:
        case Steady(steps=steps):
            return f"{steps} steps with input"
        case InputThenDrain(input_steps=given, drain_steps=drained):
            return f"{given} steps with input, then {drained} without"
        case Layerwise(window=window):
            return f"{window} steps for each layer, one layer after the other"


def _coding(coding: Coding) -> str:
    return repr(coding).removesuffix("()")
