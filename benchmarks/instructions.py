"""Instructions of the event engine and of the plain network: counts that do not depend on what else the machine does.

`python benchmarks/instructions.py` runs each network under valgrind (3.19 or newer, with its headers and a C compiler)
and writes `instructions.json` and the table of docs/guides/performance.md. Valgrind knows AVX2 at most, so both sides
run their AVX2 code. Only calls on one batch are counted, after warming up; spikes and operations are counted in them.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROWS = HERE / "instructions.json"
PAGE = HERE.parent / "docs" / "guides" / "performance.md"
MARK, END = "<!-- made by benchmarks/instructions.py -->", "<!-- end -->"
CASES = {"mnist-mlp": 64, "mnist-cnn": 64, "cifar10-vgg16-half": 32, "cifar10-resnet20": 32}
BATCH = 32
CALIBRATION = 200
SWITCHES = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void stop(const char *name) { CALLGRIND_DUMP_STATS_AT(name); CALLGRIND_STOP_INSTRUMENTATION; }
"""


def main() -> None:
    """Counts the networks that are named, or all, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="*", help=f"one of {', '.join(CASES)}; all unless given")
    names = parser.parse_args().network or list(CASES)
    if unknown := sorted(set(names) - set(CASES)):
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(CASES)}")
    rows = json.loads(ROWS.read_text(encoding="utf-8")) if ROWS.exists() else {}
    for name in names:
        rows[name] = _measured(name)
        ROWS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(f"{MARK}\n")
    PAGE.write_text(f"{before}{MARK}\n\n{table(rows)}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def table(rows: Mapping[str, Any]) -> str:
    """The rows as Markdown."""
    lines = [
        "| | operations an image | instructions an operation | instructions / (T · network's) |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, row in rows.items():
        operations, event = row["operations"] / row["batch"] / 1e6, row["event"] / row["operations"]
        share = row["event"] / row["steps"] / row["network"]
        what = f"{name}, T = {row['steps']}, batch {row['batch']}"
        lines.append(f"| {what} | {operations:.2f} M | {event:.3f} | {share:.3f} |")
    return "\n".join(lines)


def _measured(name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "switches.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)], input=SWITCHES, text=True, check=True
        )
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/out"]
        environment = {**os.environ, "RESPIKE_INSTRUCTIONS": "avx2", "OMP_NUM_THREADS": "1", "COUNTED": str(library)}
        found = subprocess.run(
            [*command, sys.executable, __file__, name], env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        row: dict[str, Any] = json.loads(found.splitlines()[-1])
        for dump in Path(folder).glob("out.*"):
            lines = dump.read_text(encoding="utf-8").splitlines()
            whats = [line.split()[-1] for line in lines if line.startswith("desc: Trigger: Client Request:")]
            totals = [int(line.split()[-1]) for line in lines if line.startswith("totals:")]
            row.update(zip(whats, totals, strict=False))
        return row


def _counted(name: str) -> dict[str, Any]:
    """Within valgrind: runs the network, and says how many operations that were."""
    import torch

    import respike
    from respike import Probe, cost, data, engines, methods, zoo

    switches = ctypes.CDLL(os.environ["COUNTED"])
    model, dataset, steps = zoo.load(name).eval(), zoo.find(name).dataset, CASES[name]
    batch = data.load(dataset, "test").take(BATCH).images
    network = respike.load(model, batch[:2])
    plan = methods.max_norm.plan(network, data.load(dataset, "calibration").images[:CALIBRATION], steps=steps)
    probe = Probe(spike_counts=False, fan_out=cost.fan_outs(network))
    gc.disable()

    def count(what: str, run: Callable[[], Any]) -> Any:
        for _ in range(3):
            found = run()
        switches.start()
        run()
        switches.stop(what.encode())
        return found

    with torch.no_grad():
        count("network", lambda: model(batch))
        record = count("event", lambda: engines.event(network, plan, batch, probe))
    operations = sum(float(sums.sum()) for sums in record.operations_per_step.values())
    return {"steps": steps, "batch": BATCH, "operations": operations, "version": respike.__version__}


if __name__ == "__main__":
    if "COUNTED" in os.environ:
        print(json.dumps(_counted(sys.argv[1])))
    else:
        main()
