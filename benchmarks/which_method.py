"""Which method, at which cost: accuracy, latency, spikes, operations and energy of many methods on the same images.

python benchmarks/which_method.py [--network NAME …] [--method NAME …] [--images N]   measures what is not there on
so many images or more
python benchmarks/which_method.py --page   writes page and figure from the JSON

Methods whose thresholds do not depend on the number of steps run once, for 256 steps; what they would be after fewer
steps is read off that run. All others run for each number of steps. Each point is kept as soon as it is measured.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

import respike
from papers import public
from respike import Report, SpikingNetwork, data, methods, refine, zoo
from respike.cost import HOROWITZ_45NM
from respike.data import Dataset
from respike.drawing import COLOURS
from respike.intervals import wilson
from respike.ir import Network
from respike.report.figures import save

HERE = Path(__file__).parent
NUMBERS = HERE / "which_method.json"
PAGE = HERE.parent / "docs" / "methods" / "which-method.md"
FIGURE = HERE.parent / "docs" / "images" / "which-method.png"
STEPS = (4, 8, 16, 32, 64, 128, 256)
_CALIBRATION = 256
_MATCHED: Mapping[str, Any] = {"images": 10_000, "rounds": 1000}
_MOVED: Mapping[str, Any] = {"images": 40_000, "rounds": 600, "weights": True}
_MOVED_LONGER: Mapping[str, Any] = {"images": 80_000, "rounds": 2400, "weights": True}
"""Options of `match_outputs`: how many training images outputs are matched on, and in how many rounds."""
_DIFFERENT = 40_000
"""How many training images are taken as they are."""
_LITTLE = 0.5
"""Points lost that are few."""
_MARKS = "os^DvPX*<>phd8H"


@dataclass(frozen=True)
class Runs:
    """How a method is run: for which numbers of steps, or once for all of them; and how its outputs are matched."""

    label: str
    method: Any
    steps: tuple[int, ...]
    options: Mapping[str, Any]
    once: bool = False
    matched: Mapping[str, Any] | None = None


RUNS = (
    Runs("few_spikes", methods.few_spikes, (3, 4, 5, 6, 8), {}),
    Runs("canonic_spikes", methods.canonic_spikes, (3, 4, 5, 6, 8), {}),
    Runs("canonic_spikes, matched", methods.canonic_spikes, (3, 4), {}, matched=_MATCHED),
    Runs("canonic_spikes, weights moved", methods.canonic_spikes, (3, 4), {}, matched=_MOVED),
    Runs("canonic_spikes, weights moved longer", methods.canonic_spikes, (4,), {}, matched=_MOVED_LONGER),
    Runs("calibrated", methods.calibrated, (8, 16, 24, 32), {}),
    Runs("calibrated, weights moved", methods.calibrated, (16, 24, 32), {}, matched=_MOVED),
    Runs("calibrated, signed", methods.calibrated, (4, 8, 12, 16), {"signed": True}),
    Runs("calibrated, signed, matched", methods.calibrated, (8, 12), {"signed": True}, matched=_MATCHED),
    Runs("calibrated, signed, weights moved", methods.calibrated, (8, 12), {"signed": True}, matched=_MOVED),
    Runs("coarse_to_fine", methods.coarse_to_fine, (4, 8, 12), {}),
    Runs("burst", methods.burst, (16, 32), {}),
    Runs("multi_threshold", methods.multi_threshold, (1, 2, 4), {}),
    Runs("max_norm", methods.max_norm, STEPS, {}, once=True),
    Runs("percentile_norm", methods.percentile_norm, STEPS, {}, once=True),
    Runs("opi", methods.opi, STEPS, {}, once=True),
    Runs("ecc", methods.ecc, (16, 32, 64), {}),
    Runs("rmp", methods.rmp, (32, 64), {}),
)


@dataclass(frozen=True)
class Point:
    """A conversion at a number of steps, on the first test images.

    steps: as the method takes them. latency: time steps until the output is complete. Accuracies are percentages,
    spikes those of a neuron, operations those of an image.
    """

    network: str
    method: str
    steps: int
    images: int
    network_accuracy: float
    accuracy: float
    latency: int
    spikes: float
    operations: float
    energy: float

    @property
    def loss(self) -> float:
        """Points lost against the network."""
        return round(self.network_accuracy - self.accuracy, 2)


def main() -> None:
    """Measures, or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", help="of the zoo, or public-resnet20")
    parser.add_argument("--method", action="append", choices=[runs.label for runs in RUNS], help="only this one")
    parser.add_argument("--steps", action="append", type=int, help="only so many, of methods that run for each number")
    parser.add_argument("--images", type=int, default=1000, help="test images")
    parser.add_argument("--device", default="cpu", help="where networks run: cpu or cuda")
    parser.add_argument("--page", action="store_true", help="write page and figure from what is measured")
    given = parser.parse_args()
    if given.page:
        PAGE.write_text(page(points()), encoding="utf-8")
        save(figure(points()), FIGURE)
        return
    for name in given.network or ("mnist-cnn", "cifar10-resnet20", "cifar10-vgg16-half", *public.names()):
        for runs in RUNS:
            if given.method is None or runs.label in given.method:
                _measure(name, runs, given.images, given.device, given.steps)


def points() -> list[Point]:
    """All that was measured, in the order of networks and methods."""
    kept = json.loads((NUMBERS.exists() and NUMBERS.read_text(encoding="utf-8")) or "[]")
    order = {runs.label: place for place, runs in enumerate(RUNS)}
    found = [Point(**one) for one in kept if one["method"] in order]
    networks = list(dict.fromkeys(point.network for point in found))
    return sorted(found, key=lambda one: (networks.index(one.network), order[one.method], one.steps))


def _measure(name: str, runs: Runs, images: int, device: str, some: Collection[int] | None) -> None:
    there = {(one.network, one.method, one.steps): one.images for one in points()}
    missing = [steps for steps in runs.steps if there.get((name, runs.label, steps), 0) < images]
    if not missing:
        return
    network, test = _subject(name)
    network = network.to(device)
    calibration = data.load(test.name, "calibration").images[:_CALIBRATION]
    for steps in (max(runs.steps),) if runs.once else [one for one in missing if some is None or one in some]:
        plan = runs.method.plan(network, calibration, steps=steps, **runs.options)
        if runs.matched:
            several = _training(test.name, runs.matched["images"])
            plan = refine.match_outputs(plan, network, several, **runs.matched)
        report = respike.measure(
            SpikingNetwork(network, plan), test.take(images).batches(100 if device == "cpu" else 1000)
        )
        wanted = missing if runs.once else (steps,)
        _keep(_points(name, runs.label, report, steps, wanted))


def _training(name: str, count: int) -> Tensor:
    """So many training images, at most 40,000 different ones; the others are their mirror images."""
    images = data.load(name, "train").images[: min(count, _DIFFERENT)]
    return torch.cat([images, images.flip(-1)])[:count]


def _points(name: str, label: str, report: Report, steps: int, wanted: Iterable[int]) -> Iterator[Point]:
    for time in wanted:
        at_end = time == steps
        end = None if at_end else time
        operations = sum(report.synaptic_operations_per_step[:end])
        spent = HOROWITZ_45NM(report.input_macs + report.analog_macs, operations)
        accuracy = report.accuracy[-1 if at_end else time - 1]
        yield Point(
            network=name,
            method=label,
            steps=time,
            images=report.images,
            network_accuracy=round(100 * report.network_accuracy, 2),
            accuracy=round(100 * accuracy, 2),
            latency=report.latency if at_end else time,
            spikes=round(sum(report.spikes_per_step[:end]) / report.neurons, 3),
            operations=round(operations),
            energy=round(spent / HOROWITZ_45NM(report.macs, 0), 3),
        )


def _keep(found: Iterable[Point]) -> None:
    """Adds points to the file, in the place of those of fewer images."""
    new = list(found)
    names = {(one.network, one.method, one.steps) for one in new}
    with NUMBERS.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # several networks may be measured at one time
        kept = [one for one in points() if (one.network, one.method, one.steps) not in names]
        file.truncate(0)
        file.write("[\n" + ",\n".join(json.dumps(asdict(one)) for one in [*kept, *new]) + "\n]\n")
    for one in new:
        print(one)


def _subject(name: str) -> tuple[Network, Dataset]:
    dataset = "cifar10" if name in public.names() else zoo.find(name).dataset
    test = data.load(dataset, "test")
    module = public.module(name) if name in public.names() else zoo.load(name)
    return respike.load(module, test.take(8).images), test


def whole(some: Iterable[Point]) -> list[Point]:
    """Those on the most images; rows of fewer show where a method stands, and are not sure enough to be the best."""
    found = list(some)
    most = max((one.images for one in found), default=0)
    return [one for one in found if one.images == most]


def front(some: Iterable[Point]) -> list[Point]:
    """Those on the most images that no other of them beats in energy and accuracy, the cheapest first."""
    best: list[Point] = []
    for point in sorted(whole(some), key=lambda one: (one.energy, -one.accuracy)):
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    return best


def page(measured: list[Point]) -> str:
    """The page."""
    lines = [_HEAD]
    for network in dict.fromkeys(one.network for one in measured):
        some = [one for one in measured if one.network == network]
        beaten = {(one.method, one.steps) for one in some} - {(one.method, one.steps) for one in front(some)}
        lines += [f"## {network}\n", fill(_counted(some), 120) + "\n", fill(_best(some), 120) + "\n"]
        lines += ["| Method | Steps | Latency | Accuracy | Points lost | Spikes a neuron | Operations | Energy ratio |"]
        lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
        for one in some:
            name = one.method if (one.method, one.steps) in beaten else f"**{one.method}**"
            few = "" if one in whole(some) else f" ± {_sure(one.accuracy, one.images)} ({one.images:,} images)"
            lines += [
                f"| {name} | {one.steps} | {one.latency} | {one.accuracy:.2f} %{few} | {one.loss:.2f} | "
                f"{one.spikes:.2f} | {_human(one.operations)} | {one.energy:.3f} |"
            ]
        lines += [""]
    return "\n".join(lines)


def _best(some: list[Point]) -> str:
    """What is cheapest, fastest and sparsest among those that lose little."""
    good = [one for one in whole(some) if one.loss <= _LITTLE]
    if not good:
        return f"No method loses at most {_LITTLE} points."
    kinds = {"least energy": "energy", "fewest steps": "latency", "fewest spikes": "spikes"}
    found = {kind: min(good, key=lambda one: getattr(one, figure)) for kind, figure in kinds.items()}
    named = [
        f"`{one.method}` at {one.steps} step{'s' * (one.steps != 1)} has the {kind}" for kind, one in found.items()
    ]
    return f"Of those that lose at most {_LITTLE} points, {', '.join(named[:-1])}, and {named[-1]}."


def _counted(some: list[Point]) -> str:
    """On how many images, and how sure the accuracies are."""
    most, *_ = whole(some)
    told = (
        f"The first {most.images:,} test images, on which the network has {most.network_accuracy:.2f} %; with so many "
        f"images an accuracy of this size is known to ± {_sure(most.network_accuracy, most.images)} points (95 %). "
    )
    if len(whole(some)) < len(some):
        told += (
            "Rows that name another number of images were measured on the first so many, with the 95 % interval "
            "of the accuracy; points lost are against the network on the same images. "
        )
    return told + "On the front: in bold."


def _sure(accuracy: float, images: int) -> str:
    """Half the width of Wilson's 95 % interval of an accuracy, in points."""
    low, high = wilson(accuracy / 100, images)
    return f"{50 * (high - low):.1f}"


def _human(operations: float) -> str:
    return f"{operations / 1e6:.2f} M" if operations >= 1e5 else f"{operations / 1e3:.1f} k"


_HEAD = """# Which method, at which cost

Methods on the same networks and the same test images, from `benchmarks/which_method.json`, which
`python benchmarks/which_method.py` measures and `--page` writes here. Calibrated on 256 training images. Outputs of
rows that say *matched* were then matched on 10,000 in 1,000 rounds (`refine.match_outputs`). Where they say *weights
moved*, the weights were moved, too, on 40,000 in 600 rounds: fine-tuning without labels. *Longer* is in 2,400 rounds
on 40,000 and their mirror images. Of public-resnet20, `few_spikes`, `canonic_spikes` of 3 and 4 steps, and `max_norm`
were measured on a GPU, whose sums in another order decide a few images otherwise.
To have respike choose for a network of yours, see [recommend](../guides/recommend.md).

- **Steps** are what the method takes: time steps, or K of few-spikes neurons. **Latency** is the number of time steps
  until an output is complete; few-spikes neurons take K for each layer.
- **Operations** are additions for an image, every spike times its real fan-out. **Energy ratio** is the spiking
  network's arithmetic over that of the network itself (45 nm, 32 bits); memory and communication are left out.
- `max_norm`, `percentile_norm` and `opi` were run once, for 256 steps; fewer steps are read off that run.

![Points lost against energy, a panel for each network](../images/which-method.png)
"""


def figure(measured: list[Point]) -> Figure:
    """A panel for each network: all points, a line for each method, and the front."""
    networks = list(dict.fromkeys(one.network for one in measured))
    rows = math.ceil(len(networks) / 2)
    drawn = Figure(figsize=(10.4, 1 + 4 * rows), layout="constrained", facecolor="white")
    FigureCanvasAgg(drawn)
    labels = [runs.label for runs in RUNS]
    panels = drawn.subplots(rows, 2, squeeze=False).flatten()
    for axes in panels[len(networks) :]:
        axes.set_axis_off()
    for axes, network in zip(panels, networks, strict=False):
        some = [one for one in measured if one.network == network]
        for place, label in enumerate(labels):
            line = [one for one in some if one.method == label]
            colour, mark = COLOURS[place % len(COLOURS)], _MARKS[place % len(_MARKS)]
            energies, losses = [one.energy for one in line], [-one.loss for one in line]
            axes.plot(energies, losses, color=colour, marker=mark, markersize=5, linewidth=0.8, label=label)
        best = front(some)
        axes.step(
            [one.energy for one in best],
            [-one.loss for one in best],
            where="post",
            color="#333333",
            linewidth=2.2,
            alpha=0.35,
        )
        axes.axhline(0, color="#333333", linestyle=(0, (4, 3)), linewidth=1)
        axes.set_ylim(-12, 1.5)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("energy ratio, spiking / network")
        axes.set_ylabel("accuracy less the network's, points")
        axes.set_title(f"{network}, {whole(some)[0].images:,} test images", fontsize=10)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    drawn.legend(handles, names, frameon=False, fontsize=8, loc="outside lower center", ncols=5)
    return drawn


if __name__ == "__main__":
    main()
