"""Transformers with spikes on every edge: what they lose and cost on test images; docs/networks/transformers.md.

`python benchmarks/every_edge.py` measures all, `python benchmarks/every_edge.py fashion-vit 4 6` some, with
`--limit=2000` on the first test images, with `--plain`, `--mixed`, `--fitted` or `--matched` only rows of that kind;
other rows stay (benchmarks/every_edge.json). Needs the zoo's weights.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from respike import SpikingNetwork, data, load, measure, methods, refine, zoo
from respike.cost import HOROWITZ_45NM, analog_operations, fan_outs, macs
from respike.data import Split
from respike.ir import Network
from respike.plan import Plan

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "networks" / "transformers.md"
START, END = "<!-- made by benchmarks/every_edge.py -->", "<!-- end -->"
STEPS = {"fashion-vit": (8, 6, 5, 4, 3), "cifar10-vit": (6, 5, 4, 3), "cifar10-convnext": (6, 5, 4, 3)}
MIXED = {"fashion-vit 5": 1.0, "fashion-vit 4": 0.8, "cifar10-vit 5": 1.0, "cifar10-convnext 5": 1.0}
"""Where `refine.mixed_steps` follows, in rows of their own: its output error, chosen on training images."""
FITTED = {"fashion-vit 4": 0.94, "cifar10-vit 4": 0.94}
"""Where `refine.fit_digits` follows: the operations, chosen on training images of the first one."""
MATCHED = {"fashion-vit 4"}
"""Where `refine.match_outputs` follows then."""
CALIBRATION = 512
"""Images of the training set, the first ones."""
MANY, DIGITS, OUTPUTS = 4096, 2048, 20_000
"""For fitted and matched rows: those of calibration, and of them those that digits and outputs are fitted to."""
RATE = 0.002
"""Of `refine.match_outputs`: less than unless said, since little is lost before."""


def planned(name: str, steps: int, kind: str) -> tuple[Network, Plan]:
    """A network, and its plan of that kind, made of training images alone."""
    train = data.load(zoo.find(name).dataset, Split.TRAIN).images
    network = load(zoo.load(name), train[:8])
    calibration = train[: CALIBRATION if kind in ("plain", "mixed") else MANY]
    plan = methods.every_edge(network, calibration, steps=steps)
    if kind == "mixed":
        plan = refine.mixed_steps(plan, network, calibration, error=MIXED[f"{name} {steps}"])
    if kind in ("fitted", "matched"):
        plan = refine.fit_digits(plan, network, calibration, operations=FITTED[f"{name} {steps}"], images=DIGITS)
    if kind == "matched":
        plan = refine.match_outputs(plan, network, train[:OUTPUTS], images=OUTPUTS, rate=RATE)
    return network, plan


def row(name: str, steps: int, limit: int | None, kind: str) -> dict[str, Any]:
    """What one network loses and costs in so many steps, `plain` or refined: steps for each layer, or fitted digits."""
    started = time.perf_counter()
    network, plan = planned(name, steps, kind)
    spiking = SpikingNetwork(network, plan)
    report = measure(spiking, data.load(zoo.find(name).dataset, Split.TEST), limit=limit)
    kinds: Counter[str] = Counter()
    for node, count in analog_operations(spiking.network, plan, fan_outs(spiking.network, plan)).items():
        kinds["held" if node in plan.held else spiking.network.kind(node)] += round(count)
    joules = HOROWITZ_45NM(sum(macs(network).values()), 0)
    return {
        **({"mixed": MIXED[f"{name} {steps}"]} if kind == "mixed" else {}),
        **({"fitted": FITTED[f"{name} {steps}"]} if kind in ("fitted", "matched") else {}),
        **({"matched": True} if kind == "matched" else {}),
        "images": report.images,
        "network": report.network_accuracy,
        "accuracy": report.accuracy[-1],
        "agreement": report.agreement,
        "neurons": report.neurons,
        "spikes_per_neuron": report.spikes_per_neuron,
        "latency": report.latency,
        "macs": report.macs,
        "additions": report.synaptic_operations,
        "input_macs": report.input_macs,
        "analog_macs": dict(sorted(kinds.items())),
        "energy_ratio": report.energy_ratio,
        "analog_share": HOROWITZ_45NM(sum(kinds.values()), 0) / (report.energy_ratio * joules),
        "seconds": round(time.perf_counter() - started),
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as Markdown."""
    head = (
        "| network | K | test images | network | spikes | agreement | spikes a neuron | energy ratio | of it analog |"
    )
    lines = [head, "| " + " | ".join(["---"] * 9) + " |"]
    for name, r in sorted(rows.items()):
        network, steps, *_ = name.split()
        for kind in ("mixed", "fitted"):
            if kind in r:
                steps += f", {kind} ({r[kind]:g})"
        steps += ", matched" if "matched" in r else ""
        cells = [network, steps, f"{r['images']:,}", f"{100 * r['network']:.2f} %", f"{100 * r['accuracy']:.2f} %"]
        cells += [f"{100 * r['agreement']:.1f} %", f"{r['spikes_per_neuron']:.2f}", f"{r['energy_ratio']:.3f}"]
        lines.append("| " + " | ".join([*cells, f"{100 * r['analog_share']:.0f} %"]) + " |")
    return "\n".join(lines)


def main(wanted: list[str]) -> None:
    """Measures what is wanted, and keeps it."""
    limit = next((int(word.removeprefix("--limit=")) for word in wanted if word.startswith("--limit=")), None)
    names = [word for word in wanted if word in STEPS] or list(STEPS)
    some = {int(word) for word in wanted if word.isdigit()}
    kinds = {word.removeprefix("--") for word in wanted if word in ("--plain", "--mixed", "--fitted", "--matched")}
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    for name in names:
        for steps in STEPS[name]:
            for kind, where in (("plain", None), ("mixed", MIXED), ("fitted", FITTED), ("matched", MATCHED)):
                if (some and steps not in some) or (kinds and kind not in kinds):
                    continue
                if where is not None and f"{name} {steps}" not in where:
                    continue
                key = f"{name} {steps}" + (f" {kind}" if where is not None else "")
                rows[key] = row(name, steps, limit, kind)
                print(key, rows[key], flush=True)
                ROWS.write_text(json.dumps(rows, indent=1) + "\n")
    before, rest = PAGE.read_text().split(START)
    PAGE.write_text(f"{before}{START}\n\n{table(rows)}\n\n{END}{rest.split(END, 1)[1]}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
