"""What `calibrated` loses on the two ResNet-20 for CIFAR-10: single spikes, signed ones, bursts.

`python benchmarks/calibrated.py --images 10000` measures the rows that are missing and writes `calibrated.json`;
`--only 16,24` only those of so many steps.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import respike
from papers import public
from respike import SpikingNetwork, data, methods, zoo

RESULT = Path(__file__).with_suffix(".json")
CALIBRATION = 256
OPTIONS: tuple[Mapping[str, Any], ...] = (
    {"steps": 16},
    {"steps": 24},
    {"steps": 32},
    {"steps": 16, "each_step": False},
    {"steps": 24, "each_step": False},
    {"steps": 8, "signed": True},
    {"steps": 12, "signed": True},
    {"steps": 16, "most": 4},
)
"""The conversions."""


def rows(name: str, wanted: list[Mapping[str, Any]], images: int) -> Iterator[dict[str, Any]]:
    """Measured conversions of a network."""
    test = data.load("cifar10", "test").take(images)
    calibration = data.load("cifar10", "calibration").images[:CALIBRATION]
    network = respike.load(public.module(name) if name in public.names() else zoo.load(name), calibration[:8])
    for options in wanted:
        plan = methods.calibrated.plan(network, calibration, **options)
        report = respike.measure(SpikingNetwork(network, plan), test.batches(100))
        loss = report.network_accuracy - report.accuracy[-1]
        yield {
            "network": name,
            "options": dict(options),
            "images": report.images,
            "network_accuracy": report.network_accuracy,
            "accuracy": report.accuracy[-1],
            "error_of_loss": math.sqrt(max(0.0, 1 - report.agreement - loss**2) / report.images),
            "rounded_accuracy": report.rounded_accuracy,
            "spikes_per_neuron": report.spikes_per_neuron,
            "energy_ratio": report.energy_ratio,
        }


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--network", action="append", help="of the zoo, or public-resnet20")
    parser.add_argument("--only", help="numbers of steps, separated by commas")
    given = parser.parse_args()
    found = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else []
    steps = {int(one) for one in given.only.split(",")} if given.only else {one["steps"] for one in OPTIONS}
    for name in given.network or (*public.names(), "cifar10-resnet20"):
        done = [row["options"] for row in found if row["network"] == name and row["images"] >= given.images]
        wanted = [options for options in OPTIONS if options["steps"] in steps and options not in done]
        for row in rows(name, wanted, given.images):
            found = [one for one in found if (one["network"], one["options"]) != (name, row["options"])] + [row]
            print(json.dumps(row), flush=True)
            RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
