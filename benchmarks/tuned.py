"""Tuned against hand-set: two fronts of the same network on the same test images, in one figure and one table.

python benchmarks/tuned.py [--network NAME …] [--trials N] [--images N] [--limit N] [--out DIR]

Hand-set are the methods with their own options and the step counts that papers use. The search (`respike tune`) chooses
on training images; both fronts are then measured on test images, which neither has seen.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from rich.console import Console
from rich.progress import track

from respike import Report, SpikingNetwork, data, load, measure, methods, tuning, zoo
from respike.cli.tables.tuned import written
from respike.data import Dataset
from respike.drawing import COLOURS
from respike.ir import Network
from respike.report.figures import save

STEPS = (16, 32, 64)
FEW_STEPS = (4, 5, 6, 8, 10)
_LOST = 0.1
"""What loses more accuracy than this is no use, however cheap."""
STEPPED = (
    methods.data_norm,
    methods.max_norm,
    methods.percentile_norm,
    methods.threshold_balancing,
    methods.rmp,
    methods.ecc,
)


@dataclass(frozen=True)
class Point:
    """A conversion on test images."""

    method: str
    options: Mapping[str, Any]
    accuracy: float
    energy: float
    latency: int
    network_accuracy: float
    images: int


def main() -> None:
    """Searches, measures both fronts, draws them, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", help="of the zoo (mnist-cnn and cifar10-resnet20)")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--images", type=int, default=500, help="training images that trials are scored on")
    parser.add_argument("--limit", type=int, default=10_000, help="test images of the two fronts")
    parser.add_argument("--longest", type=int, default=64, help="the most time steps")
    parser.add_argument("--methods", help="only these, with commas between (balancing deep networks takes long)")
    parser.add_argument("--calibration", type=int, default=2000, help="calibration images")
    parser.add_argument("--out", type=Path, default=Path("out/tuned"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    fronts = {}
    for name in given.network or ("mnist-cnn", "cifar10-resnet20"):
        fronts[name] = _fronts(name, given)
        _print(name, *fronts[name])
    save(figure(fronts), given.out / "tuned.png")


def _fronts(name: str, given: argparse.Namespace) -> tuple[list[Point], list[Point]]:
    """The hand-set and the tuned front, which are kept as JSON so that a second run finds them."""
    dataset = zoo.find(name).dataset
    calibration = data.load(dataset, "calibration").images
    calibration = calibration[:: max(1, len(calibration) // given.calibration)]
    test = data.load(dataset, "test").take(given.limit)
    among = methods.ALL if given.methods is None else tuple(map(methods.find, given.methods.split(",")))
    network = load(zoo.load(name), calibration[:8])
    scored = data.load(dataset, "train").last(given.images)
    found = tuning.tune(
        network,
        calibration,
        (scored.images, scored.labels),
        objectives=(tuning.MARGIN, tuning.ENERGY),
        among=among,
        trials=given.trials,
        longest=given.longest,
        storage=given.out / "tuning.db",
        name=name,
        progress=lambda doing, done, total: print(f"{doing}: {done} of {total} trials", end="\r", flush=True),
    )
    chosen = [(trial.method, trial.options) for trial in found.front]

    def front(kind: str, wanted: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Point]:
        kept = given.out / f"{name}.{kind}.json"
        return _front([_kept(kept, network, calibration, test, conversion) for conversion in track(wanted, kind)])

    by_hand = [conversion for conversion in _by_hand(given.longest) if methods.find(conversion[0]) in among]
    return front("hand-set", by_hand), front("tuned", chosen)


def _by_hand(longest: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for method in STEPPED:
        yield from ((method.name, {"steps": steps}) for steps in STEPS if steps <= longest)
    yield methods.fit.name, {"input_steps": 12, "drain_steps": 25}
    yield from ((methods.few_spikes.name, {"steps": steps}) for steps in FEW_STEPS)


def _kept(
    path: Path, network: Network, calibration: Any, test: Dataset, conversion: tuple[str, Mapping[str, Any]]
) -> Point:
    """A conversion on the test images; a file keeps all that were measured."""
    method, options = conversion
    key = f"{method} {written(options)} {len(test)}"
    kept = json.loads(path.read_text()) if path.exists() else {}
    if key not in kept:
        plan = methods.find(method).plan(network, calibration, **options)
        report: Report = measure(SpikingNetwork(network, plan), test.batches(500))
        if not report.complete:
            raise KeyboardInterrupt
        kept[key] = {
            "accuracy": report.accuracy[-1],
            "energy": report.energy_ratio,
            "latency": report.latency,
            "network_accuracy": report.network_accuracy,
            "images": report.images,
        }
        half = path.with_suffix(".part")
        half.write_text(json.dumps(kept, indent=1))
        os.replace(half, path)
    return Point(method, options, **kept[key])


def _front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats, from the cheapest to the most accurate, but those that lose more than `_LOST`."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.energy, -point.accuracy)):
        if point.accuracy < point.network_accuracy - _LOST:
            continue
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return front


def _print(name: str, by_hand: list[Point], tuned: list[Point]) -> None:
    lines = [f"{name}, {by_hand[0].images:,} test images, the network {100 * by_hand[0].network_accuracy:.2f} %", ""]
    lines += ["| front | conversion | accuracy | energy ratio | steps |", "| --- | --- | --- | --- | --- |"]
    for kind, points in (("hand-set", by_hand), ("tuned", tuned)):
        for point in points:
            conversion = f"{point.method} {written(point.options)}"
            lines.append(
                f"| {kind} | `{conversion}` | {100 * point.accuracy:.2f} % | {point.energy:.3f} | {point.latency} |"
            )
    Console(soft_wrap=True, highlight=False).print("\n".join(lines) + "\n")


def figure(fronts: Mapping[str, tuple[list[Point], list[Point]]]) -> Figure:
    """A panel for each network, a line for each front."""
    drawn = Figure(figsize=(4.4 * len(fronts), 3.8), layout="constrained", facecolor="white")
    FigureCanvasAgg(drawn)
    for axes, (name, pair) in zip(drawn.subplots(1, len(fronts), squeeze=False)[0], fronts.items(), strict=True):
        for label, points, colour, mark in zip(("hand-set", "tuned"), pair, COLOURS[:2], "os", strict=False):
            energies, accuracies = [p.energy for p in points], [100 * p.accuracy for p in points]
            axes.step(energies, accuracies, where="post", color=colour, linewidth=1, alpha=0.6)
            axes.scatter(energies, accuracies, color=colour, marker=mark, s=30, label=label)
        axes.axhline(100 * pair[0][0].network_accuracy, color="#333333", linestyle=(0, (4, 3)), linewidth=1)
        axes.set_xscale("log")
        for setter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            setter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("energy ratio, spiking / network")
        axes.set_ylabel("accuracy on test images, %")
        axes.set_title(f"{name}, {pair[0][0].images:,} test images", fontsize=10)
        axes.legend(frameon=False)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return drawn


if __name__ == "__main__":
    main()
