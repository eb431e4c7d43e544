"""One measurement, in a process of its own: `python measuring.py '{"row": …}'` prints one line of JSON.

Seconds are CPU seconds of the process, one thread: on an idle machine they are seconds. Runs of the row take turns with
those of the plain network and, at a given activity, of the batched engine. Peak memory is what the row's first run adds
to what the process holds before it.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import importlib.metadata
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.fx.experimental.optimization
from torch import Tensor, nn

import respike
from respike import Plan, Probe, Site, cost, data, engines, methods, zoo
from respike.engines.event import _native

CALIBRATION = 1000
BATCHES = (8, 32, 128)
Forward = Callable[[Tensor], Tensor]


def main(case: dict[str, Any]) -> dict[str, Any]:
    """Seconds, memory, accuracy, and, for our engines, operations of one row."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, dataset = _model(case["network"])
    test = data.load(dataset, "test").take(case["images"])
    calibration = data.load(dataset, "calibration").images[:CALIBRATION]
    batch = test.images[: case["batch"]]
    found: dict[str, Any] = {}
    with torch.no_grad():
        run = _row(case, model, calibration, batch, found)
        found["memory"] = _memory(lambda: run(batch))
        plain, images = _at_its_best(model, test.images) if "method" in case else (model, batch)
        found["network_batch"] = len(images)
        turns: dict[str, Forward] = {"seconds": run, "network_seconds": lambda _: plain(images)}
        if "activity" in case:
            turns["batched_seconds"] = _own({**case, "row": "batched"}, model, calibration, batch, {})
        times: dict[str, list[float]] = {name: [] for name in turns}
        plain(images)
        for _ in range(case["repeats"]):
            for name, forward in turns.items():
                started = time.process_time()
                forward(batch)
                times[name].append(time.process_time() - started)
        found |= {name: statistics.median(some) for name, some in times.items()}
        found |= {"versions": _versions(), "machine": _machine()}
        outputs = torch.cat([run(part) for part in torch.split(test.images, case["batch"]) if len(part) == len(batch)])
        right = outputs.argmax(1) == test.labels[: len(outputs)]
        found |= {"accuracy": float(right.float().mean()), "of": len(outputs)}
    return found


def _at_its_best(model: nn.Module, images: Tensor) -> tuple[Forward, Tensor]:
    """The plain network as fast as it gets, batch norms folded, and the batch in which an image takes least time."""

    def forward(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return folded(images)  # type: ignore[no-any-return]

    folded = copy.deepcopy(model).eval()
    with contextlib.suppress(Exception):  # what torch.fx cannot trace stays as it is
        folded = torch.fx.experimental.optimization.fuse(folded)
    formats = [torch.contiguous_format, *([torch.channels_last] if images.ndim == 4 else [])]
    tried: list[tuple[float, int, torch.memory_format, Tensor]] = []
    for layout in formats:
        folded.to(memory_format=layout)  # type: ignore[call-overload]  # torch has it, its types do not
        for size in BATCHES:
            batch = images[:size].contiguous(memory_format=layout)
            forward(batch)
            started = time.process_time()
            forward(batch)
            tried.append(((time.process_time() - started) / len(batch), len(tried), layout, batch))
    _, _, layout, batch = min(tried)
    folded.to(memory_format=layout)  # type: ignore[call-overload]
    return forward, batch


def _row(case: dict[str, Any], model: nn.Module, calibration: Tensor, batch: Tensor, found: dict[str, Any]) -> Forward:
    steps = case["steps"]
    match case["row"].split(", "):
        case ["network"]:
            return model
        case ["SpikingJelly", way]:
            import rivals

            return rivals.spikingjelly(model, calibration, steps, way)
        case ["snnTorch", "loop"]:
            import rivals

            return rivals.snntorch(model, calibration, steps)
        case _:
            return _own(case, model, calibration, batch, found)


def _own(case: dict[str, Any], model: nn.Module, calibration: Tensor, batch: Tensor, found: dict[str, Any]) -> Forward:
    """One of our engines, spikes and operations counted."""
    steps = case["steps"]
    network = respike.load(model, batch[:2])
    name, _, kind = case["row"].partition(" ")
    engine = getattr(engines, name)
    layerwise = kind == "few-spikes" or name in ("few_spikes", "pipelined")
    method = getattr(methods, case.get("method", "few_spikes" if layerwise else "max_norm"))
    plan = method.plan(network, calibration, steps=steps)
    network = plan.on(network)
    if "activity" in case:
        plan = _active(plan, case["activity"])
    if name == "pipelined":
        return lambda images: engines.pipelined(network, plan, images).outputs
    probe = Probe(spike_counts=False, fan_out=cost.fan_outs(network, plan))
    record = engine(network, plan, batch, probe)
    spikes = sum(float(sums.sum()) for sums in record.spikes_per_step.values())
    found["operations"] = sum(float(sums.sum()) for sums in record.operations_per_step.values()) / len(batch)
    found["activity"] = spikes / len(batch) / sum(network.neurons(name) for name in record.spikes_per_step) / steps
    return lambda images: engine(network, plan, images, probe).outputs


def _active(plan: Plan, activity: float) -> Plan:
    """The plan with large thresholds and an extra current that makes every neuron fire about so often."""

    def busy(site: Site) -> Site:
        return replace(site, threshold=8 * site.threshold, extra_current=8 * activity * site.threshold)

    return replace(plan, sites={name: busy(site) for name, site in plan.sites.items()})


def _model(name: str) -> tuple[nn.Module, str]:
    kind, _, width = name.partition("-width-")
    if width:
        return _perceptron(int(width)), "mnist"
    return zoo.load(kind), zoo.find(kind).dataset


def _perceptron(width: int) -> nn.Module:
    """784-width-width-10, an epoch of training on 10,000 images: to see how costs grow with the width."""
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )
    train = data.load("mnist", "train").take(10_000)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for images, labels in zip(torch.split(train.images, 100), torch.split(train.labels, 100), strict=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model.eval()


def _machine() -> str:
    """The processor's name, and the instruction set that our kernels use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{(models or [platform.machine()])[0]} ({_native.instruction_set()})"


def _versions() -> list[str]:
    """Of torch and of the packages at hand."""
    versions = []
    for name in ("torch", "respike", "spikingjelly", "snntorch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{name} {importlib.metadata.version(name)}")
    return versions


def _memory(run: Callable[[], object]) -> int:
    """Bytes that a run adds to what the process holds, at most."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest value so far
    before = _status("VmRSS")
    run()
    return max(0, _status("VmHWM") - before)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
