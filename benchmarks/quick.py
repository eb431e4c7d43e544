"""Where the event engine stands, in less than a minute: `make bench-quick`.

Ratios to passes of the plain network, both in one process, in turns, one thread; medians of CPU time. Only ratios of
one run may be compared: other processes slow both sides down. Counting of spikes and operations is included. Behind
them, what two threads gain: medians of time, in turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

import respike
from respike import Plan, Probe, cost, data, engines, methods, zoo
from respike.ir import Network

CASES = [("mnist-mlp", 64), ("mnist-cnn", 64), ("cifar10-resnet20", 32)]
BATCHES = (1, 32)
ACTIVITIES = (0.001, 0.0045, 0.01, 0.04, 0.1, 0.5)
CURVES = ("mnist-cnn", "cifar10-resnet20")
CALIBRATION = 500


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=7, help="turns, of which the median is given")
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print("| network | T | batch | activity | ms | time / (T * network) |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    threaded = []
    with torch.no_grad():
        for name, steps in CASES:
            model, dataset = zoo.load(name).eval(), zoo.find(name).dataset
            test = data.load(dataset, "test").take(max(BATCHES)).images
            network = respike.load(model, test[:2])
            plan = methods.max_norm.plan(network, data.load(dataset, "calibration").images[:CALIBRATION], steps=steps)
            probe = Probe(spike_counts=False, fan_out=cost.fan_outs(network))
            for batch in BATCHES:
                _row(name, network, plan, probe, test[:batch], model, repeats)
            for activity in ACTIVITIES if name in CURVES else ():
                _row(name, network, _active(plan, activity), probe, test, model, repeats)
            threaded.append((name, network, plan, probe, test, repeats))
        for case in threaded:
            _two_threads(*case)


def _two_threads(name: str, network: Network, plan: Plan, probe: Probe, images: torch.Tensor, repeats: int) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for threads, some in enumerate(times, start=1):
            torch.set_num_threads(threads)
            started = time.perf_counter()
            engines.event(network, plan, images, probe)
            some.append(time.perf_counter() - started)
    torch.set_num_threads(1)
    one, two = map(statistics.median, times)
    print(f"two threads: {name}, batch {len(images)}: {one / two:.2f} times as fast as one", flush=True)


def _row(
    name: str, network: Network, plan: Plan, probe: Probe, images: torch.Tensor, model: torch.nn.Module, repeats: int
) -> None:
    record = engines.event(network, plan, images, probe)
    spikes = sum(float(sums.sum()) for sums in record.spikes_per_step.values())
    steps = plan.schedule.steps
    neurons = sum(network.neurons(site) for site in record.spikes_per_step)
    times: tuple[list[float], list[float]] = ([], [])
    inner = max(1, 64 // len(images) // 2)
    for _ in range(1 + repeats):
        times[0].append(_seconds(lambda: engines.event(network, plan, images, probe), inner))
        times[1].append(_seconds(lambda: model(images), inner))
    event, plain = (statistics.median(some[1:]) for some in times)
    activity = spikes / len(images) / neurons / steps
    row = f"| {name} | {steps} | {len(images)} | {activity:.2%} | {1e3 * event:.2f} | {event / steps / plain:.3f} |"
    print(row, flush=True)


def _active(plan: Plan, activity: float) -> Plan:
    """The plan with large thresholds and an extra current that makes every neuron fire about so often."""
    return replace(
        plan,
        sites={
            name: replace(site, threshold=8 * site.threshold, extra_current=8 * activity * site.threshold)
            for name, site in plan.sites.items()
        },
    )


def _seconds(run: Callable[[], object], times: int) -> float:
    started = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - started) / times


if __name__ == "__main__":
    main()
