"""Recurrent networks with spikes: what they lose, send and cost on test images; docs/networks/recurrent.md.

`python benchmarks/recurrent.py` measures all, `python benchmarks/recurrent.py mnist-rows-rnn 6 8` some, with
`--limit=2000` on the first test images; other rows stay (benchmarks/recurrent.json). Needs the zoo's weights.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from respike import SpikingNetwork, data, load, measure, methods, wilson, zoo
from respike.cost import analog_operations, fan_outs
from respike.data import Split
from respike.ir import Analog

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "networks" / "recurrent.md"
START, END = "<!-- made by benchmarks/recurrent.py -->", "<!-- end -->"
NAMES = ("mnist-rows-rnn", "mnist-rows-gru", "mnist-rows-lstm")
STEPS = (6, 8, 10)
CALIBRATION = 500
"""Images of the calibration set, the first ones."""
READ = 28
"""Rows of an image, one after the other."""


def row(name: str, steps: int, limit: int | None) -> dict[str, Any]:
    """What one network loses and costs in so many steps."""
    calibration = data.load("mnist", Split.CALIBRATION).take(CALIBRATION).images
    network = load(zoo.load(name), calibration[:8])
    analog = ("*.mul*",) if any(isinstance(node, Analog) for node in network.nodes) else ()
    plan = methods.few_spikes(network, calibration, steps=steps, analog=analog)
    report = measure(SpikingNetwork(network, plan), data.load("mnist", Split.TEST), limit=limit)
    return {
        "images": report.images,
        "network": report.network_accuracy,
        "accuracy": report.accuracy[-1],
        "spikes_per_neuron": report.spikes_per_neuron,
        "latency": report.latency,
        "interval": report.interval,
        "analog_macs": round(sum(analog_operations(network, plan, fan_outs(network, plan)).values())),
        "energy_ratio": report.energy_ratio,
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as Markdown."""
    images = {row["images"] for row in rows.values()}
    lines = [
        f"The first {min(images):,} test images of MNIST; accuracies with their 95 % intervals (Wilson):",
        "",
        "| network | K | its accuracy | with spikes | spikes a neuron and row | steps | next image | energy ratio |",
        "| " + " | ".join(["---"] * 8) + " |",
    ]
    for name, r in rows.items():
        network, steps = name.split()
        ends = ", ".join(f"{100 * end:.2f}" for end in wilson(r["accuracy"], r["images"]))
        cells = [f"`{network}`", steps, f"{100 * r['network']:.2f} %", f"{100 * r['accuracy']:.2f} % [{ends}]"]
        cells += [f"{r['spikes_per_neuron'] / READ:.2f}", str(r["latency"]), str(r["interval"])]
        lines.append("| " + " | ".join([*cells, f"{r['energy_ratio']:.2f}"]) + " |")
    return "\n".join(lines)


def main(wanted: list[str]) -> None:
    """Measures what is wanted, and keeps it."""
    limit = next((int(word.removeprefix("--limit=")) for word in wanted if word.startswith("--limit=")), None)
    some = {int(word) for word in wanted if word.isdigit()} or set(STEPS)
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    for name in [word for word in wanted if word in NAMES] or NAMES:
        for steps in sorted(some):
            rows[f"{name} {steps}"] = row(name, steps, limit)
            print(f"{name} {steps}", rows[f"{name} {steps}"], flush=True)
            ROWS.write_text(json.dumps(rows, indent=1) + "\n")
    before, rest = PAGE.read_text().split(START)
    PAGE.write_text(f"{before}{START}\n\n{table(rows)}\n\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
