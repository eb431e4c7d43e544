"""What `recommend` chooses for three networks, in how many minutes, and what that loses on test images.

`python benchmarks/recommended.py [--network NAME …]` measures what is missing in recommended.json, and writes the table
of docs/guides/recommend.md. Losses are searched on 2,000 training images, as `respike recommend` does; the loss of the
table is that on all test images.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import respike
from papers import public
from respike import SpikingNetwork, data, methods, zoo

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "guides" / "recommend.md"
START, END = "<!-- made by benchmarks/recommended.py -->", "<!-- end -->"
NETWORKS = ("mnist-cnn", "cifar10-resnet20", public.RESNET20)
LOSE, HELD_OUT = 0.2, 2000


def row(name: str) -> dict[str, Any]:
    """What is chosen for a network, and what it loses and costs on the test images."""
    others = name in public.names()
    dataset = "cifar10" if others else zoo.find(name).dataset
    calibration = data.load(dataset, "calibration").images
    train, test = data.load(dataset, "train"), data.load(dataset, "test")
    network = respike.load(public.module(name) if others else zoo.load(name), calibration[:8])
    started = time.perf_counter()
    held_out = train.images[-HELD_OUT:], train.labels[-HELD_OUT:]
    found = respike.recommend(network, calibration, held_out, lose=LOSE)
    seconds = time.perf_counter() - started
    report = respike.measure(found.spiking, test.batches(100))
    usual = respike.measure(SpikingNetwork(network, methods.few_spikes.plan(network, calibration)), test.batches(100))
    loss = report.network_accuracy - report.accuracy[-1]
    return {
        "network": name,
        "method": found.chosen.method,
        "options": dict(found.chosen.options),
        "tried": 1 + len(found.others),
        "minutes": seconds / 60,
        "images": report.images,
        "network_accuracy": 100 * report.network_accuracy,
        "loss": 100 * loss,
        "error": 100 * math.sqrt(max(0.0, 1 - report.agreement - loss**2) / report.images),
        "energy_ratio": report.energy_ratio,
        "usual_energy_ratio": usual.energy_ratio,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| Network | Chosen | Tried | Minutes | Test images | Network | Points lost | Energy | few_spikes, K = 8 |"
    ]
    lines += ["| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for one in rows:
        options = ", ".join(f"{name}={value}" for name, value in one["options"].items())
        lines.append(
            f"| {one['network']} | `{one['method']}({options})` | {one['tried']} | {one['minutes']:.1f} | "
            f"{one['images']:,} | {one['network_accuracy']:.2f} % | {one['loss']:.2f} ± {one['error']:.2f} | "
            f"{one['energy_ratio']:.3f} | {one['usual_energy_ratio']:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", choices=NETWORKS, help="measure this one anew")
    wanted = parser.parse_args().network
    rows = {one["network"]: one for one in json.loads(ROWS.read_text())} if ROWS.exists() else {}
    for name in wanted or [name for name in NETWORKS if name not in rows]:
        rows[name] = row(name)
        ordered = [rows[name] for name in NETWORKS if name in rows]
        ROWS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
        before, rest = PAGE.read_text(encoding="utf-8").split(START)
        text = f"{before}{START}\n\n{table(ordered)}\n\n{END}{rest.split(END, 1)[1]}"
        PAGE.write_text(text, encoding="utf-8")
        print(rows[name], flush=True)


if __name__ == "__main__":
    main()
