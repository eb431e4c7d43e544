"""The tables of measured numbers in the pages of methods, made of the files that the other benchmarks write.

`python benchmarks/measured.py` writes them anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGES = HERE.parent / "docs" / "methods"
MARK, END = "<!-- measured -->", "<!-- end -->"
Rows = Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; numbers stand at the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(share: float | None) -> str:
    """With two decimals."""
    return "" if share is None else f"{100 * share:.2f} %"


def quantised(rows: Rows) -> str:
    """Networks of 4 and 8 levels beside training-free conversions of the plain one."""
    steps = (4, 8, 16, 32)

    def line(row: Mapping[str, Any]) -> list[str]:
        how = ", ".join(name for name in ("signed", "layerwise") if row["options"].get(name))
        found = [percent(row["accuracy"].get(str(step))) for step in steps]
        if "layerwise" in row["options"]:
            found = [""] * len(steps)
        exact = percent(next(iter(row["accuracy"].values()))) if "layerwise" in row["options"] else ""
        what = f"`{row['method']}`" + (f", {how}" if how else "")
        return [f"{row['network']}, {what}", percent(row["network_accuracy"]), *found, exact]

    said = f"All {rows[0]['images']:,} test images of MNIST or CIFAR-10, accuracy after so many steps:\n\n"
    return said + table(
        ["network, method", "network", *(f"T = {step}" for step in steps), "one pass"], [line(row) for row in rows]
    )


def balancing(result: Rows) -> str:
    """SpikingJelly's recipe and ours."""
    images, rows = result["images"], result["rows"]
    keys = dict.fromkeys((row["steps"], row["after"]) for row in rows)
    by = {(row["by"], row["steps"], row["after"]): row["right"] for row in rows}
    lines = [
        [
            f"{steps}, read after {after}",
            *(percent(by[who, steps, after] / images) for who in ("SpikingJelly", "respike")),
        ]
        for steps, after in keys
    ]
    said = (
        f"A public ResNet-20 for CIFAR-10, the first {images} test images "
        f"({percent(result['network right'] / images)} by the network; one image is {100 / images:.2g} points), "
        f"thresholds of {result['updates']} updates of {result['batch']} training images, by SpikingJelly 2.0 and "
        f"by respike. In double precision the outputs of {result['alike']} images are the same in every step:\n\n"
    )
    return said + table(["steps", "SpikingJelly", "respike"], lines)


def rehearsals(rows: Rows) -> str:
    """Offset spikes and residual potentials beside the plan without a rehearsal."""
    lines = [
        [
            row["method"],
            str(row["rehearsal"]),
            steps,
            percent(accuracy),
            f"{row['spikes_per_neuron']:.2f}",
        ]
        for row in rows
        for steps, accuracy in row["accuracy"].items()
        if row["method"] != "local_threshold_balancing"
    ]
    images = rows[0]["images"]
    said = (
        f"A public ResNet-20 for CIFAR-10, the first {images} test images "
        f"({percent(rows[0]['network_accuracy'])} by the network; one image is {100 / images:.2g} points):\n\n"
    )
    head = ["method", "rehearsal", "steps", "accuracy", "spikes a neuron"]
    return said + table(head, lines)


def calibrated(rows: Rows) -> str:
    """What `calibrated` loses, with and without currents that change in the first steps."""
    lines = [
        [
            row["network"],
            ", ".join(f"`{name}={value}`" for name, value in row["options"].items()),
            f"{row['images']:,}",
            percent(row["network_accuracy"]),
            percent(row["accuracy"]),
            f"{100 * (row['network_accuracy'] - row['accuracy']):.2f} ± {196 * row['error_of_loss']:.2f}",
            f"{row['spikes_per_neuron']:.2f}",
            f"{row['energy_ratio']:.2f}",
        ]
        for row in rows
    ]
    head = [
        "network",
        "options",
        "test images",
        "network's accuracy",
        "accuracy",
        "points lost",
        "spikes a neuron",
        "energy ratio",
    ]
    return "ResNet-20 for CIFAR-10, points lost with 95 % intervals:\n\n" + table(head, lines)


TABLES: Mapping[str, tuple[str, Callable[[Rows], str]]] = {
    "calibrated": ("calibrated", calibrated),
    "quantised": ("quantised", quantised),
    "local_threshold_balancing": ("balancing", balancing),
    "offset_spikes": ("rehearsals", rehearsals),
    "residual_potential": ("rehearsals", rehearsals),
}
"""For each page, the file of its numbers and what makes its table."""


def wanted(page: str) -> str:
    """What stands between the marks of a page."""
    file, make = TABLES[page]
    return make(json.loads((HERE / f"{file}.json").read_text()))


def main() -> None:
    """Writes the tables into the pages."""
    for page, (file, _) in TABLES.items():
        if (HERE / f"{file}.json").exists():
            path = PAGES / f"{page}.md"
            before, _, rest = path.read_text().partition(MARK)
            behind = rest.partition(END)[2] if END in rest else rest
            path.write_text(f"{before}{MARK}\n\n{wanted(page)}\n\n{END}{behind}")


if __name__ == "__main__":
    main()
