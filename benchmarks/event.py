"""The event engine beside the batched one, the network itself and SpikingJelly, in one run on trained networks.

    python benchmarks/event.py [--networks mnist-mlp mnist-cnn] [--steps 64] [--batch 128] [--repeats 5] [--compile]

One thread. Times are CPU seconds of the process, which on an idle machine are seconds; repeats of all rows are
interleaved, and medians are shown. `time / (T · network)` is the row's time over that of as many passes of the network.
With `--activity` an extra current makes about so many of the neurons fire in each step: the worst case.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

import respike
from peers import spikingjelly
from respike import Plan, Probe, Site, data, engines, methods, metrics, zoo
from respike.ir import Network
from respike.record import INPUT, Recording


def main() -> None:
    """Prints one table per network."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+", default=["mnist-mlp", "mnist-cnn", "mnist-cnn-diehl"])
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--compile", action="store_true", help="SpikingJelly under torch.compile too (needs a compiler)"
    )
    parser.add_argument("--activity", type=float, help="make all neurons fire about so often")
    parser.add_argument("--weights", type=Path, help="where trained weights are, if not the shipped ones")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {options.steps} steps, batch {options.batch}, 1 thread, CPU seconds")
    with torch.no_grad():
        for name in options.networks:
            _table(name, options)


def _table(name: str, options: argparse.Namespace) -> None:
    model = (zoo.load(name, options.weights) if options.weights else zoo.load(name)).eval()
    dataset = zoo.find(name).dataset
    images = data.load(dataset, "test").take(options.batch).images
    calibration = data.load(dataset, "calibration").images[:1000]
    network = respike.load(model, images[:4])
    plan = methods.max_norm(network, calibration, steps=options.steps)
    if options.activity:
        plan = _active(plan, options.activity)
    probe = Probe(spike_counts=False, fan_out=metrics.fan_outs(network))
    record = engines.event(network, plan, images, probe)
    rows: dict[str, Callable[[], object]] = {
        "network": lambda: network(images),
        "respike, event": lambda: engines.event(network, plan, images, probe),
        "respike, batched": lambda: engines.batched(network, plan, images, probe),
    }
    if not options.activity:
        rows |= spikingjelly(model, calibration, images, options.steps, options.compile)
    seconds = _medians(rows, options.repeats)
    operations = sum(float(sums.sum()) for sums in record.operations_per_step.values())
    activity = _activity(network, record, len(images))
    print(f"\n{name}: activity {activity:.3f}, {operations / len(images):,.0f} operations/image", flush=True)
    print(f"{'':42}{'images/s':>10}{'time/(T·network)':>18}{'G operations/s':>16}")
    for row, time_taken in seconds.items():
        passes = 1 if row == "network" else options.steps
        share = time_taken / passes / seconds["network"]
        rate = "" if row == "network" else f"{operations / time_taken / 1e9:16.2f}"
        print(f"{row:42}{len(images) / time_taken:10.0f}{share:18.3f}{rate}")


def _medians(rows: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(repeats + 1):
        for name, run in rows.items():
            started = time.process_time()
            run()
            if number:  # the first warms up
                taken[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in taken.items()}


def _activity(network: Network, record: Recording, images: int) -> float:
    """Spikes per neuron and step."""
    spikes = {name: sums for name, sums in record.spikes_per_step.items() if name != INPUT}
    neuron_steps = sum(network.neurons(name) * len(sums) * images for name, sums in spikes.items())
    return sum(float(sums.sum()) for sums in spikes.values()) / neuron_steps


def _active(plan: Plan, activity: float) -> Plan:
    """The plan with large thresholds and an extra current that makes every neuron fire about so often."""

    def busy(site: Site) -> Site:
        return replace(site, threshold=8 * site.threshold, extra_current=8 * activity * site.threshold)

    return replace(plan, sites={name: busy(site) for name, site in plan.sites.items()})


if __name__ == "__main__":
    main()
