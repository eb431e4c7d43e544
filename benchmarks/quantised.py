"""Networks trained with few levels beside a plain one that is converted without training, at the same steps.

`python benchmarks/quantised.py` measures on all test images of MNIST and CIFAR-10 and writes
`benchmarks/quantised.json`; what stands there is not measured again. The plain ResNet-20 stands in `which_method.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import respike
from respike import Report, SpikingNetwork, data, methods, zoo
from respike.ir import Network
from respike.plan import Plan

RESULT = Path(__file__).with_suffix(".json")
LEVELS = (4, 8)
LONGEST = 16
CALIBRATION = 512


def plans() -> Iterator[tuple[str, Network, Plan]]:
    """Every conversion with the name of its network; thresholds that do not depend on the steps are run once."""
    calibration = data.load("mnist", "calibration").images[:CALIBRATION]
    for levels in LEVELS:
        name = f"mnist-cnn-qcfs{levels}"
        network = respike.load(zoo.load(name), calibration[:8])
        yield name, network, methods.quantised(network, layerwise=True)
        yield name, network, methods.quantised(network, signed=True)
        yield name, network, methods.quantised(network, steps=LONGEST)
    network = respike.load(zoo.load("mnist-cnn"), calibration[:8])
    for steps in LEVELS:
        yield "mnist-cnn", network, methods.calibrated(network, calibration, steps=steps)
    yield "mnist-cnn", network, methods.percentile_norm(network, calibration, steps=max(LEVELS))
    photos = data.load("cifar10", "calibration").images[:8]
    for levels in LEVELS:
        name = f"cifar10-resnet20-qcfs{levels}"
        network = respike.load(zoo.load(name), photos)
        yield name, network, methods.quantised(network, layerwise=True)
        yield name, network, methods.quantised(network, signed=True, steps=2 * levels)
        yield name, network, methods.quantised(network, steps=4 * levels)


def options(plan: Plan) -> dict[str, Any]:
    """The method's options that are plain values and on."""
    return {key: value for key, value in plan.options.items() if value and isinstance(value, int | float | str)}


def row(name: str, plan: Plan, report: Report) -> dict[str, Any]:
    """What is kept of a measurement."""
    return {
        "network": name,
        "method": plan.method,
        "options": options(plan),
        "images": report.images,
        "network_accuracy": report.network_accuracy,
        "rounded_accuracy": report.rounded_accuracy,
        "accuracy": dict(zip(map(str, report.times), report.accuracy, strict=True)),
        "spikes_per_neuron": report.spikes_per_neuron,
        "energy_ratio": report.energy_ratio,
    }


def main() -> None:
    """Measures everything and writes the file."""
    rows = json.loads(RESULT.read_text()) if RESULT.exists() else []
    done = [(row["network"], row["method"], row["options"]) for row in rows]
    for name, network, plan in plans():
        if (name, plan.method, options(plan)) in done:
            continue
        test = data.load(zoo.find(name).dataset, "test")
        report = respike.measure(SpikingNetwork(network, plan), test.batches(100))
        rows.append(row(name, plan, report))
        print(json.dumps(rows[-1]), flush=True)
        RESULT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
