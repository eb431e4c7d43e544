"""Local threshold balancing, offset spikes and residual potentials on the public ResNet-20, at the same steps.

`python benchmarks/rehearsals.py --images 200` writes `benchmarks/rehearsals.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import respike
from papers import public
from respike import SpikingNetwork, data, methods, refine
from respike.ir import Network
from respike.plan import Plan, Site
from respike.schedule import Steady

RESULT = Path(__file__).with_suffix(".json")
STEPS = (8, 16)
REHEARSAL = 8
CALIBRATION = 512


def plans(network: Network) -> Iterator[tuple[str, Plan]]:
    """Every conversion: of the steps that are named, the rehearsal not among them."""
    calibration = data.load("cifar10", "calibration").images[:CALIBRATION]
    for steps in STEPS:
        sites = {node.name: Site(1.0) for node in network.activations}
        plain = refine.initial_potential(Plan(sites=sites, schedule=Steady(steps)))
        yield "least squares alone", refine.least_squares(plain, network, calibration)
        yield "offset_spikes", methods.offset_spikes(network, calibration, steps=steps, rehearsal=REHEARSAL)
        yield "residual_potential", methods.residual_potential(network, calibration, steps=steps, rehearsal=REHEARSAL)
    yield "local_threshold_balancing", methods.local_threshold_balancing(network, calibration, steps=max(STEPS))


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    given = parser.parse_args()
    test = data.load("cifar10", "test").take(given.images)
    network = respike.load(public.module(), test.images[:8])
    rows = []
    for name, plan in plans(network):
        report = respike.measure(SpikingNetwork(network, plan), test)
        counted = plan.schedule.steps - plan.readout.after
        accuracy = {str(counted): report.accuracy[-1]}
        if name == "local_threshold_balancing":
            accuracy = {str(steps): report.accuracy[steps - 1] for steps in STEPS}
        rows.append(
            {
                "method": name,
                "rehearsal": plan.readout.after,
                "accuracy": accuracy,
                "rounded_accuracy": report.rounded_accuracy,
                "spikes_per_neuron": report.spikes_per_neuron,
                "network_accuracy": report.network_accuracy,
                "images": report.images,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
        RESULT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
