"""The batched engine on a GPU: fused kernels beside the torch loop and the network itself, on trained networks.

    python benchmarks/gpu.py [--networks mnist-mlp mnist-cnn] [--steps 64 256] [--batch 128 1000] [--repeats 7]

Before anything is timed, the fused kernels must give the loop's outputs and spike counts bit for bit. Repeats of all
rows are interleaved, and medians of seconds are shown, the device synchronised before and after each. The row
`fused + bf16` runs the same plan with unit spikes and `fused.SplitProducts()`. Convolutions run in float32 proper, not
TF32.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import respike
from respike import Plan, Probe, data, engines, methods, zoo
from respike.engines import fused
from respike.errors import InvalidOption
from respike.ir import Network
from respike.lower import unit_spikes


def main() -> None:
    """Prints one table per network, number of steps and batch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+", default=["mnist-mlp", "mnist-cnn"])
    parser.add_argument("--steps", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--batch", nargs="+", type=int, default=[128, 1000])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--memory", type=int, default=1024, help="MiB that the values of one chunk may take")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit(f"no CUDA device: torch {torch.__version__} sees none, and this benchmark times one")
    fused.require()
    torch.backends.cudnn.allow_tf32 = False
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, float32")
    with torch.no_grad():
        for name in options.networks:
            for steps in options.steps:
                for batch in options.batch:
                    _table(name, steps, batch, options.repeats, options.memory * 2**20)


def _table(name: str, steps: int, batch: int, repeats: int, memory: int) -> None:
    dataset = zoo.find(name).dataset
    images = data.load(dataset, "test").take(batch).images
    on_cpu = respike.load(zoo.load(name).eval(), images[:4])
    plan = methods.max_norm(on_cpu, data.load(dataset, "calibration").images[:1000], steps=steps)
    network, images = on_cpu.to("cuda"), images.to("cuda")
    _check(network, plan, images, memory)
    rows = _rows(network, plan, images, memory)
    seconds = _medians(rows, repeats)
    print(f"\n{name}, T = {steps}, batch {batch}")
    print(f"{'':24}{'images/s':>12}{'time/(T·network)':>18}{'times the loop':>16}")
    for row, taken in seconds.items():
        passes = 1 if row == "network" else steps
        share, ratio = taken / passes / seconds["network"], seconds["torch loop"] / taken
        print(f"{row:24}{batch / taken:12.0f}{share:18.3f}{'' if row == 'network' else f'{ratio:16.2f}'}", flush=True)


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
