"""Transformers in time, by differential coding: what they lose and cost on test data; docs/methods/differential.md.

`python benchmarks/differential.py` measures all, `python benchmarks/differential.py fashion-vit 4:2 1:8` some: bits and
steps. With `--limit=1000` on the first test images; other rows stay (benchmarks/differential.json). Needs the zoo's
weights, and the data set jargon for the language model.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from respike import SpikingNetwork, data, load, measure, methods, metrics, refine, score, zoo
from respike.cost import analog_operations, fan_outs
from respike.data import Split

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "methods" / "differential.md"
START, END = "<!-- made by benchmarks/differential.py -->", "<!-- end -->"
LANGUAGE = "<!-- made by benchmarks/differential.py, language -->"
RUNS = {
    "fashion-vit": ("4:1", "4:2", "4:4", "4:8", "4:16", "4:32", "1:8", "1:8:settled", "1:16", "1:32"),
    "cifar10-vit": ("4:1", "4:2", "4:4"),
    "jargon-gpt": ("4:1", "4:2", "4:4", "4:8"),
}
"""Bits that a neuron sends in a step, and steps; behind them where `refine.settle` follows."""
CALIBRATION = {"fashion-vit": 512, "cifar10-vit": 512, "jargon-gpt": 128}
"""Images, or windows of the text, of the training set, the first ones."""


def converted(name: str, bits: int, steps: int, settled: bool) -> SpikingNetwork:
    """A network that runs in so many steps."""
    calibration = data.load(zoo.find(name).dataset, Split.TRAIN).take(CALIBRATION[name]).images
    network = load(zoo.load(name), calibration[:8])
    plan = methods.differential(network, calibration, steps=steps, step_bits=bits)
    return SpikingNetwork(network, refine.settle(plan, network, calibration) if settled else plan)


def row(name: str, run: str, limit: int | None) -> dict[str, Any]:
    """What one network loses and costs in so many steps."""
    started = time.perf_counter()
    bits, steps, *settled = run.split(":")
    spiking, test = converted(name, int(bits), int(steps), bool(settled)), data.load(zoo.find(name).dataset, Split.TEST)
    if name == "jargon-gpt":
        found = score(spiking, test, metrics.BitsPerSymbol(), limit=limit)
        kept = ("images", "network_value", "value", "spikes_per_neuron", "macs", "synaptic_operations", "energy_ratio")
        measured = {one: getattr(found, one) for one in kept}
    else:
        report = measure(spiking, test, limit=limit)
        measured = {
            "images": report.images,
            "network": report.network_accuracy,
            "accuracy": report.accuracy[-1],
            "accuracy_over_time": [round(float(one), 4) for one in report.accuracy],
            "agreement": report.agreement,
            "neurons": report.neurons,
            "spikes_per_neuron": report.spikes_per_neuron,
            "macs": report.macs,
            "additions": report.synaptic_operations,
            "input_macs": report.input_macs,
            "analog_macs": report.analog_macs,
            "energy_ratio": report.energy_ratio,
        }
    evaluated = sum(analog_operations(spiking.network, spiking.plan, fan_outs(spiking.network, spiking.plan)).values())
    seconds = round(time.perf_counter() - started)
    return {
        "bits": int(bits),
        "steps": int(steps),
        "settled": bool(settled),
        **measured,
        "evaluated": evaluated / measured["macs"],
        "seconds": seconds,
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows of images as Markdown."""
    head = ["network", "bits", "steps", "test images", "network", "spikes", "agreement", "spikes a neuron"]
    head += ["energy ratio", "of it evaluated"]
    lines = []
    for name, r in _sorted(rows):
        if "accuracy" in r:
            steps = f"{r['steps']}{', settled' * r['settled']}"
            cells = [name.split()[0], str(r["bits"]), steps, f"{r['images']:,}"]
            cells += [f"{100 * r[share]:.2f} %" for share in ("network", "accuracy")]
            cells += [f"{100 * r['agreement']:.1f} %", f"{r['spikes_per_neuron']:.2f}", f"{r['energy_ratio']:.2f}"]
            lines.append([*cells, f"{r['evaluated']:.2f}"])
    return _markdown(head, lines)


def language(rows: dict[str, dict[str, Any]]) -> str:
    """The rows of the language model as Markdown."""
    head = ["bits", "steps", "network", "spikes", "more", "spikes a neuron", "energy ratio", "of it evaluated"]
    lines = []
    for _, r in _sorted(rows):
        if "value" in r:
            cells = [str(r["bits"]), str(r["steps"]), f"{r['network_value']:.3f}", f"{r['value']:.3f}"]
            cells += [f"{100 * (r['value'] / r['network_value'] - 1):.2f} %", f"{r['spikes_per_neuron']:.2f}"]
            lines.append([*cells, f"{r['energy_ratio']:.2f}", f"{r['evaluated']:.2f}"])
    return _markdown(head, lines)


def _sorted(rows: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return sorted(rows.items(), key=lambda item: (item[0].split()[0], -item[1]["bits"], item[1]["steps"], item[0]))


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines))


def main(wanted: list[str]) -> None:
    """Measures what is wanted, and keeps it."""
    limit = next((int(word.removeprefix("--limit=")) for word in wanted if word.startswith("--limit=")), None)
    names = [word for word in wanted if word in RUNS] or list(RUNS)
    some = {word for word in wanted if ":" in word}
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    for name in names:
        for run in RUNS[name]:
            if not some or run in some:
                rows[f"{name} {run}"] = row(name, run, limit)
                print(name, run, rows[f"{name} {run}"], flush=True)
                ROWS.write_text(json.dumps(rows, indent=1) + "\n")
    for start, made in ((START, table(rows)), (LANGUAGE, language(rows))):
        before, rest = PAGE.read_text().split(start)
        PAGE.write_text(f"{before}{start}\n\n{made}\n\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
