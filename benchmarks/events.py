"""Events over time: a network trained on mean frames, converted and run on sequences. Writes events.json beside it.

    python benchmarks/events.py

Recordings are made from MNIST by `data.saccades`: 2,000 calibration images for training, the first 1,000 test images
for testing. It takes some minutes on one core.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import respike
from respike import SpikingNetwork, data, measure, methods
from respike.coding import Frames

HERE = Path(__file__).parent
RESULTS = HERE / "events.json"
PAGE = HERE.parent / "docs" / "guides" / "events.md"
MARK, END = "<!-- measured -->", "<!-- end -->"
TRAIN, TEST, STEPS, SEED = 2000, 1000, (30, 60, 120), 0


def sequences(images: Tensor, steps: int) -> Tensor:
    """Frames of recordings of images, `[images, steps, 2, 34, 34]`."""
    return torch.stack([data.frames(events, steps, 34, 34) for events in data.saccades(images)])


def trained(images: Tensor, labels: Tensor) -> nn.Module:
    """A small network, trained for some seconds."""
    torch.manual_seed(SEED)
    model = nn.Sequential(
        nn.Conv2d(2, 16, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )
    with torch.no_grad():
        next(model.parameters()).mul_(16)  # mean frames hold small numbers
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(15):
        for part in torch.split(torch.randperm(len(images)), 50):
            optimiser.zero_grad()
            loss: Tensor = nn.functional.cross_entropy(model(images[part]), labels[part])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return model.eval()


def main() -> None:
    """Measures and writes."""
    train, test = data.load("mnist", "calibration").take(TRAIN), data.load("mnist", "test").take(TEST)
    events = data.saccades(test.images)
    mean = sequences(train.images, 1)[:, 0] / STEPS[1]
    model = trained(mean, train.labels)
    rows = []
    for steps in STEPS:
        # The mean frame of fewer frames holds larger numbers; a gain in the first layer undoes that.
        scaled = nn.Sequential(_Gain(steps / STEPS[1]), model)
        still = mean * STEPS[1] / steps
        network = respike.load(scaled.eval(), still[:8])
        shown = torch.stack([data.frames(one, steps, 34, 34) for one in events])
        for method in (methods.max_norm, methods.percentile_norm, methods.signed):
            plan = replace(method(network, still, steps=steps), coding=Frames())
            report = measure(SpikingNetwork(network, plan), (shown, test.labels))
            rows.append(
                {
                    "method": method.name,
                    "steps": steps,
                    "network": report.network_accuracy,
                    "after_each_saccade": [report.accuracy[steps * part // 3 - 1] for part in (1, 2, 3)],
                    "low": report.end.low,
                    "high": report.end.high,
                    "spikes_per_neuron": report.end.spikes_per_neuron,
                    "energy_ratio": report.end.energy_ratio,
                }
            )
            print(rows[-1])
    found = {
        "images": TEST,
        "trained_on": TRAIN,
        "events_per_image": sum(map(len, events)) / len(events),
        "respike_version": respike.__version__,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    before, _, rest = PAGE.read_text().partition(MARK)
    PAGE.write_text(f"{before}{MARK}\n{table(found)}\n{END}{rest.partition(END)[2]}")


def table(found: dict[str, Any]) -> str:
    """The page's table, from what was measured."""
    rows = [
        f"| `{row['method']}` | {row['steps']} | {100 * row['network']:.1f} | "
        + " | ".join(f"{100 * accuracy:.1f}" for accuracy in row["after_each_saccade"])
        + f" ({100 * row['low']:.1f} to {100 * row['high']:.1f}) | {row['spikes_per_neuron']:.2f} "
        f"| {row['energy_ratio']:.2f} |"
        for row in found["rows"]
    ]
    head = (
        "| method | steps | network % | after saccade 1 | after saccade 2 | after saccade 3 (95 % interval) "
        "| spikes per neuron | energy |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    said = (
        f"{found['images']:,} recordings of {found['events_per_image']:,.0f} events on average, made from the first "
        f"test images of MNIST; the network was trained on the mean frames of {found['trained_on']:,} others."
    )
    return "\n".join([said, "", head, *rows])


class _Gain(nn.Module):
    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


if __name__ == "__main__":
    main()
