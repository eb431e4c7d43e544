"""What leaving early gives on `mnist-cnn`, by each rule: the table of docs/guides/early-exit.md.

`python benchmarks/early_exit.py [--images 2000]` measures, writes `benchmarks/early_exit.json`, and the page's table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from respike import SpikingNetwork, data, load, measure, methods, zoo
from respike.ir import Network
from respike.measure.early_exit import Bound, EarlyExit, Margin
from respike.plan import Plan

RESULT = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "guides" / "early-exit.md"
MARK, END = "<!-- made by benchmarks/early_exit.py -->", "<!-- end -->"
RULES: Mapping[str, EarlyExit] = {
    "bound": Bound(),
    "margin=0.1": Margin(0.1),
    "margin=0.5": Margin(0.5),
    "margin=0.5,steps=5": Margin(0.5, steps=5),
}
HEAD = (
    "| conversion | steps | rule | mean steps used | left early | right at exit | right at the last step | alike |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
)


def plans(network: Network) -> Iterator[tuple[str, Plan]]:
    """The conversions."""
    calibration = data.load("mnist", "calibration").images
    yield "`fit`, 5 + 30 steps", methods.fit(network, calibration, input_steps=5, drain_steps=30)
    yield "`data_norm`, 64 steps", methods.data_norm(network, calibration, steps=64)
    yield "`max_norm`, 64 steps", methods.max_norm(network, calibration, steps=64)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The page's table, and what it was measured on."""
    lines = []
    before = ""
    for row in rows:
        same, before = row["conversion"] == before, row["conversion"]
        end = "" if same else f"{100 * row['at_the_end']:.2f} %"
        lines.append(
            f"| {'' if same else before} | {'' if same else row['steps']} | `{row['rule']}` | {row['used']:.2f} | "
            f"{100 * row['exited']:.1f} % | {100 * row['accuracy']:.2f} % | "
            f"{end} | {100 * row['agreement']:.2f} % |\n"
        )
    said = f"The first {rows[0]['images']:,} MNIST test images through `mnist-cnn`."
    return f'{said} "Alike" is the share of decisions that agree with the last step.\n\n{HEAD}{"".join(lines)}'


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    given = parser.parse_args()
    test = data.load("mnist", "test").take(given.images)
    network = load(zoo.load("mnist-cnn"), test.images[:8])
    rows = []
    for name, plan in plans(network):
        for written, rule in RULES.items():
            report = measure(SpikingNetwork(network, plan), test, early_exit=rule)
            exits = report.early_exit
            assert exits is not None
            rows.append(
                {
                    "conversion": name,
                    "steps": report.steps,
                    "rule": written,
                    "used": exits.steps_used,
                    "exited": exits.exited,
                    "accuracy": exits.accuracy,
                    "at_the_end": report.accuracy[-1],
                    "agreement": exits.agreement,
                    "images": report.images,
                }
            )
            print(rows[-1], flush=True)
    RESULT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{before}{MARK}\n\n{table(rows)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
