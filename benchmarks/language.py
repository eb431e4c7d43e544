"""A language model with spikes on every edge: its bits per character; makes a table of docs/networks/transformers.md.

`python benchmarks/language.py` measures all, `python benchmarks/language.py 6` some; other rows stay
(benchmarks/language.json). Needs the zoo's weights and the data set jargon.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from respike import SpikingNetwork, data, load, methods, metrics, refine, score, zoo
from respike.data import Split

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "networks" / "transformers.md"
START, END = "<!-- made by benchmarks/language.py -->", "<!-- end -->"
NETWORK = "jargon-gpt"
STEPS = ("8", "6", "5", "4", "5 mixed", "5 fitted", "4 fitted")
CALIBRATION, MANY = 128, 1024
"""Windows of the training text, the first ones, and for fitted digits."""


def row(steps: str) -> dict[str, Any]:
    """The bits and the cost in so many steps."""
    calibration = data.load("jargon", Split.TRAIN).take(MANY if "fitted" in steps else CALIBRATION).images
    network = load(zoo.load(NETWORK), calibration[:8])
    plan = methods.every_edge(network, calibration, steps=int(steps.split()[0]))
    if "mixed" in steps:
        plan = refine.mixed_steps(plan, network, calibration)
    if "fitted" in steps:
        plan = refine.fit_digits(plan, network, calibration, images=MANY)
    found = score(SpikingNetwork(network, plan), data.load("jargon", Split.TEST), metrics.BitsPerSymbol())
    kept = ("images", "network_value", "value", "spikes_per_neuron", "macs", "synaptic_operations", "energy_ratio")
    return {name: getattr(found, name) for name in kept}


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = ["| K | network | spikes | more | spikes a neuron | energy ratio |", "| " + " | ".join(["---"] * 6) + " |"]
    for steps, r in sorted(rows.items()):
        more = 100 * (r["value"] / r["network_value"] - 1)
        cells = [steps.replace(" ", ", "), f"{r['network_value']:.3f}", f"{r['value']:.3f}", f"{more:.2f} %"]
        cells += [f"{r['spikes_per_neuron']:.2f}", f"{r['energy_ratio']:.3f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(wanted: list[str]) -> None:
    """Measures what is wanted, and keeps it."""
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    for steps in wanted or STEPS:
        rows[steps] = row(steps)
        print(steps, rows[steps], flush=True)
        ROWS.write_text(json.dumps(rows, indent=1) + "\n")
    before, rest = PAGE.read_text().split(START)
    after = rest.split(END, 1)[1]
    PAGE.write_text(f"{before}{START}\n\n{table(rows)}\n\n{END}{after}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
