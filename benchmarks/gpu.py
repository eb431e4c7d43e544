"""The batched engine on a GPU: fused kernels beside the torch loop and the network itself, on trained networks.

    python benchmarks/gpu.py [--networks mnist-mlp mnist-cnn] [--steps 64 256] [--batch 128 1000] [--repeats 7]
    python benchmarks/gpu.py --page   writes what `--write` has put into gpu.json into docs/guides/gpu.md

Before anything is timed, the fused kernels must give the loop's outputs and spike counts bit for bit. Repeats of all
rows are interleaved, and medians of seconds are shown, the device synchronised before and after each. The row
`fused + bf16` runs the same plan with unit spikes and `fused.SplitProducts()`. Convolutions run in float32 proper, not
TF32.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

import respike
from respike import Plan, Probe, data, engines, methods, zoo
from respike.engines import fused
from respike.errors import InvalidOption
from respike.ir import Network
from respike.lower import unit_spikes

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "guides" / "gpu.md"
START, END = "<!-- made by benchmarks/gpu.py -->", "<!-- end -->"


def main() -> None:
    """Prints one table per network, number of steps and batch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+", default=["mnist-mlp", "mnist-cnn"])
    parser.add_argument("--steps", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--batch", nargs="+", type=int, default=[128, 1000])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--memory", type=int, default=1024, help="MiB that the values of one chunk may take")
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {ROWS.name}")
    parser.add_argument("--page", action="store_true", help="write the page, and measure nothing")
    options = parser.parse_args()
    if options.page:
        before, rest = PAGE.read_text(encoding="utf-8").split(START)
        text = f"{before}{START}\n\n{page(json.loads(ROWS.read_text()))}\n\n{END}{rest.split(END, 1)[1]}"
        PAGE.write_text(text, encoding="utf-8")
        return
    if not torch.cuda.is_available():
        raise SystemExit(f"no CUDA device: torch {torch.__version__} sees none, and this benchmark times one")
    fused.require()
    torch.backends.cudnn.allow_tf32 = False
    device = f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    print(f"{device}, float32")
    tables = []
    with torch.no_grad():
        for name in options.networks:
            for steps in options.steps:
                for batch in options.batch:
                    rows = _measured(name, steps, batch, options.repeats, options.memory * 2**20)
                    tables.append({"network": name, "steps": steps, "batch": batch, "rows": rows})
                    print(f"\n{name}, T = {steps}, batch {batch}\n{_table([tables[-1]])}", flush=True)
    if options.write:
        ROWS.write_text(json.dumps({"device": device, "tables": tables}, indent=1) + "\n", encoding="utf-8")


def page(measured: dict[str, Any]) -> str:
    """What the page shows of the figures."""
    return f"On an {measured['device']}, in float32:\n\n{_table(measured['tables'])}"


def _table(tables: Iterable[dict[str, Any]]) -> str:
    lines = ["| Network | T | Batch | Engine | Images a second | Time / (T · network) | Times the loop |"]
    lines += ["| --- | ---: | ---: | --- | ---: | ---: | ---: |"]
    for table in tables:
        for engine, found in table["rows"].items():
            ends = f"{found['share']:.3f} | {found['faster']:.2f} |" if "faster" in found else "| |"
            start = f"| {table['network']} | {table['steps']} | {table['batch']:,} | {engine} "
            lines.append(f"{start}| {found['images_per_second']:,.0f} | {ends}")
    return "\n".join(lines)


def _measured(name: str, steps: int, batch: int, repeats: int, memory: int) -> dict[str, dict[str, float]]:
    dataset = zoo.find(name).dataset
    images = data.load(dataset, "test").take(batch).images
    on_cpu = respike.load(zoo.load(name).eval(), images[:4])
    plan = methods.max_norm(on_cpu, data.load(dataset, "calibration").images[:1000], steps=steps)
    network, images = on_cpu.to("cuda"), images.to("cuda")
    _check(network, plan, images, memory)
    seconds = _medians(_rows(network, plan, images, memory), repeats)
    rows = {}
    for row, taken in seconds.items():
        rows[row] = {"images_per_second": batch / taken}
        if row != "network":
            rows[row] |= {"share": taken / steps / seconds["network"], "faster": seconds["torch loop"] / taken}
    return rows


def _check(network: Network, plan: Plan, images: torch.Tensor, memory: int) -> None:
    """The two must agree bit for bit: the maps are the same, so the dynamics must be."""
    loop, kernels = (engines.batched(network, plan, images, memory=memory, fused=on) for on in (False, True))
    same = torch.equal(loop.outputs_over_time, kernels.outputs_over_time)
    for name, counts in loop.spike_counts.items():
        same = same and torch.equal(counts, kernels.spike_counts[name])
    if not same:
        raise SystemExit("the fused kernels differ from the torch loop on this device: please report it")


def _rows(network: Network, plan: Plan, images: torch.Tensor, memory: int) -> dict[str, Callable[[], object]]:
    probe = Probe(spike_counts=False)
    rows: dict[str, Callable[[], object]] = {
        "network": lambda: network(images),
        "torch loop": lambda: engines.batched(network, plan, images, probe, memory=memory, fused=False),
        "fused": lambda: engines.batched(network, plan, images, probe, memory=memory, fused=True),
    }
    unit, unit_plan = unit_spikes(network, plan)
    products = fused.SplitProducts()
    try:
        fused.readers_of_unit_spikes(unit, unit_plan, products)
    except InvalidOption:  # no linear layer reads spikes directly
        return rows

    def narrow() -> object:
        return engines.batched(unit, unit_plan, images, probe, memory=memory, fused=True, products=products)

    return {**rows, "fused + bf16": narrow}


def _medians(rows: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(repeats + 2):
        for name, run in rows.items():
            torch.cuda.synchronize()
            started = time.perf_counter()
            run()
            torch.cuda.synchronize()
            if number > 1:  # the first two compile and warm up
                taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in taken.items()}


if __name__ == "__main__":
    main()
