"""The numbers of docs/methods: conversions of mnist-cnn, each on the same test images.

python benchmarks/methods.py [--again]

Each conversion stands in `methods.json` as soon as it is measured; those that stand there are not measured again. A
test compares the pages with the file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from respike import Plan, SpikingNetwork, data, engines, load, measure, methods, zoo
from respike.methods import Method
from respike.neurons import Subtract

FILE = Path(__file__).with_name("methods.json")
NETWORK, IMAGES, CALIBRATION, BALANCED = "mnist-cnn", 2000, 2000, 500


def cases() -> Iterator[tuple[str, Method[Any], dict[str, Any], int]]:
    """A name, the method, its options, and the number of calibration images."""
    yield "max_norm", methods.max_norm, {"steps": 16}, CALIBRATION
    yield "percentile_norm", methods.percentile_norm, {"steps": 16}, CALIBRATION
    variants: dict[str, dict[str, Any]] = {
        "ecc": {},
        "ecc, upfront": {"upfront": True},
        "ecc, eta 2/3": {"eta": 2 / 3},
        "ecc, eta 0": {"eta": 0.0},
        "ecc, no CN": {"current_normalisation": False},
        "ecc, eta 0, no CN": {"eta": 0.0, "current_normalisation": False},
        "ecc, no encoder": {"encoder": False},
        "ecc, spiking output": {"spiking_output": True},
    }
    for name, more in variants.items():
        yield name, methods.ecc, {"steps": 16, **more}, CALIBRATION
    for steps in (32, 64):
        yield f"ecc, {steps} steps", methods.ecc, {"steps": steps}, CALIBRATION
    for scale in (0.8, 0.9, 1.0):
        yield f"rmp, scale {scale:g}", methods.rmp, {"steps": 64, "scale": scale}, BALANCED
    yield "threshold_balancing", methods.threshold_balancing, {"steps": 64}, BALANCED
    yield "threshold_balancing, subtract", methods.threshold_balancing, {"steps": 64, "reset": Subtract()}, BALANCED


def main() -> None:
    """Measures what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure all of them anew")
    known = json.loads(FILE.read_text()) if FILE.exists() and not parser.parse_args().again else {}
    images = data.load("mnist", "test").take(IMAGES)
    calibration = data.load("mnist", "calibration").images
    network = load(zoo.load(NETWORK), images.images[:8])
    for name, method, options, count in cases():
        if name in known:
            continue
        plan = method.plan(network, calibration[:count], **options)
        if count == BALANCED:  # balanced over 64 steps, run for 16
            plan = plan.with_schedule(methods.direct_copy(network, steps=16).schedule)
        known[name] = _measured(plan, network, images) | _on_counts(plan, network, images)
        FILE.write_text(json.dumps(known, indent=1) + "\n")
        print(name, known[name], flush=True)


def _measured(plan: Plan, network: Any, images: Any) -> dict[str, Any]:
    report = measure(SpikingNetwork(network, plan), images.batches(500))
    return {
        "images": report.images,
        "network_accuracy": report.network_accuracy,
        "accuracy": report.accuracy[-1],
        "agreement": report.agreement,
        "spikes_per_neuron": report.spikes_per_neuron,
        "synaptic_operations_in_millions": report.synaptic_operations / 1e6,
        "thresholds": [float(torch.as_tensor(site.threshold).max()) for site in plan.sites.values()],
    }


def _on_counts(plan: Plan, network: Any, images: Any) -> dict[str, Any]:
    """The published tool's idealisation, for ECC alone."""
    if plan.method != "ecc" or plan.readout.__class__.__name__ == "SpikeCount":
        return {}
    report = measure(SpikingNetwork(network, plan), images.batches(500), engine=engines.count)
    return {"accuracy_on_counts": report.accuracy[-1], "spikes_per_neuron_on_counts": report.spikes_per_neuron}


if __name__ == "__main__":
    main()
