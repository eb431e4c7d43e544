"""Transformers in time, by differential coding: what they lose and cost on test images; docs/methods/differential.md.

`python benchmarks/differential.py` measures all, `python benchmarks/differential.py fashion-vit 4:2 1:8` some: bits and
steps. With `--limit=1000` on the first test images; other rows stay (benchmarks/differential.json). Needs the zoo's
weights.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from respike import SpikingNetwork, data, load, measure, methods, zoo
from respike.cost import HOROWITZ_45NM
from respike.data import Split

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "methods" / "differential.md"
START, END = "<!-- made by benchmarks/differential.py -->", "<!-- end -->"
RUNS = {
    "fashion-vit": ("4:1", "4:2", "4:4", "4:8", "4:16", "4:32", "1:8", "1:16", "1:32"),
    "cifar10-vit": ("4:1", "4:2", "4:4"),
}
"""Bits that a neuron sends in a step, and steps."""
CALIBRATION = 512
"""Images of the training set, the first ones."""


def row(name: str, bits: int, steps: int, limit: int | None) -> dict[str, Any]:
    """What one network loses and costs in so many steps."""
    entry = zoo.find(name)
    calibration = data.load(entry.dataset, Split.TRAIN).take(CALIBRATION).images
    network = load(zoo.load(name), calibration[:8])
    started = time.perf_counter()
    plan = methods.differential(network, calibration, steps=steps, step_bits=bits)
    report = measure(SpikingNetwork(network, plan), data.load(entry.dataset, Split.TEST), limit=limit)
    return {
        "bits": bits,
        "steps": steps,
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
        "evaluated": HOROWITZ_45NM(report.analog_macs, 0) / HOROWITZ_45NM(report.macs, 0),
        "seconds": round(time.perf_counter() - started),
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as Markdown."""
    head = ["network", "bits", "steps", "test images", "network", "spikes", "agreement", "spikes a neuron"]
    head += ["energy ratio", "of it evaluated"]
    lines = [f"| {' | '.join(head)} |", "| " + " | ".join(["---"] * len(head)) + " |"]
    for name, r in sorted(rows.items(), key=lambda item: (item[0].split()[0], -item[1]["bits"], item[1]["steps"])):
        cells = [name.split()[0], str(r["bits"]), str(r["steps"]), f"{r['images']:,}"]
        cells += [f"{100 * r[share]:.2f} %" for share in ("network", "accuracy")]
        cells += [f"{100 * r['agreement']:.1f} %", f"{r['spikes_per_neuron']:.2f}", f"{r['energy_ratio']:.2f}"]
        lines.append("| " + " | ".join([*cells, f"{r['evaluated']:.2f}"]) + " |")
    return "\n".join(lines)


def main(wanted: list[str]) -> None:
    """Measures what is wanted, and keeps it."""
    limit = next((int(word.removeprefix("--limit=")) for word in wanted if word.startswith("--limit=")), None)
    names = [word for word in wanted if word in RUNS] or list(RUNS)
    some = {word for word in wanted if ":" in word}
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    for name in names:
        for run in RUNS[name]:
            if not some or run in some:
                bits, steps = map(int, run.split(":"))
                rows[f"{name} {run}"] = row(name, bits, steps, limit)
                print(name, run, rows[f"{name} {run}"], flush=True)
                ROWS.write_text(json.dumps(rows, indent=1) + "\n")
    before, rest = PAGE.read_text().split(START)
    PAGE.write_text(f"{before}{START}\n\n{table(rows)}\n\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
