"""Local threshold balancing by SpikingJelly and by respike: the same network, calibration batches and test images.

All in double precision: in single precision sums in another order move a few spikes by a step.

    PYTHONPATH=... python benchmarks/balancing.py --images 200

needs SpikingJelly 2.0 beside respike, and the public ResNet-20 (`papers/public.py`). It writes `balancing.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from spikingjelly.activation_based import ann2snn, functional
from torch import Tensor, nn

import respike
from papers import public
from respike import SpikingNetwork, data, methods
from respike.zoo.residual import PaddedBlock

RESULT = Path(__file__).with_suffix(".json")
STEPS = (8, 16, 32)
BATCH, PASSES = 16, 1
"""Calibration images of one update, and how often all of them are seen."""
ALIKE = 1e-6
"""Outputs that differ by so much of the largest one are of the same spikes."""


class Block(nn.Module):
    """A residual block whose shortcut is a layer, as SpikingJelly needs it: it takes no slices and no padding."""

    def __init__(self, block: PaddedBlock) -> None:
        """With the weights of a block."""
        super().__init__()
        self.conv1, self.bn1, self.relu1 = block.conv1, block.bn1, block.relu1
        self.conv2, self.bn2, self.relu2 = block.conv2, block.bn2, block.relu2
        self.shortcut = nn.Sequential()
        if block.padding:
            channels, width = block.conv1.in_channels, block.conv1.out_channels
            chosen = nn.Conv2d(channels, width, 1, 2, bias=False)
            with torch.no_grad():
                chosen.weight.copy_(torch.eye(width)[:, block.padding : block.padding + channels, None, None])
            self.shortcut = nn.Sequential(chosen)

    def forward(self, images: Tensor) -> Tensor:
        """The block's output."""
        inner = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(images)))))
        result: Tensor = self.relu2(inner + self.shortcut(images))
        return result


def module() -> nn.Module:
    """The public ResNet-20 of layers alone, in doubles: a batch norm standardises, and shortcuts are convolutions."""
    layers: Any = public.module()
    standardise, network = layers
    norm = nn.BatchNorm2d(3, eps=0.0, affine=False)
    norm.running_mean = standardise.mean.flatten()
    norm.running_var = standardise.deviation.flatten() ** 2
    for stage in ("layer1", "layer2", "layer3"):
        setattr(network, stage, nn.Sequential(*(Block(block) for block in getattr(network, stage))))
    return nn.Sequential(norm, network).double().eval()


def theirs(batches: list[Tensor], images: Tensor) -> tuple[list[Tensor], int]:
    """Outputs after each step, and the steps that their program would leave out of 32."""
    recipe = ann2snn.LocalThresholdBalancingRecipe(dataloader=batches)
    converted = ann2snn.Converter(recipe=recipe).convert(module())
    late = ann2snn.estimate_delay_start(converted, batches, "cpu", 32)
    parts = []
    with torch.no_grad():
        for batch in torch.split(images, 50):
            functional.reset_net(converted)
            parts.append(torch.stack([converted(batch) for _ in range(max(STEPS))]).cumsum(0))
    return list(torch.cat(parts, 1)), late


def ours(batches: list[Tensor], images: Tensor) -> list[Tensor]:
    """The same by respike; the plan does not depend on the steps, but for their number."""
    network = respike.load(module(), images[:4])
    plan = methods.local_threshold_balancing(network, torch.cat(batches), steps=max(STEPS), updates=len(batches))
    spiking = SpikingNetwork(network, plan)
    record = [respike.simulate(spiking, batch).outputs_over_time for batch in torch.split(images, 50)]
    return list(torch.cat(record, 1))


def rows(by: str, over_time: list[Tensor], labels: Tensor, late: int) -> Iterator[dict[str, Any]]:
    """Accuracies at each number of steps, from the first step and from a later one."""
    for steps in STEPS:
        for after in (0, late):
            if after < steps:
                output = over_time[steps - 1] - (over_time[after - 1] if after else 0)
                right = int((output.argmax(-1) == labels).sum())
                yield {"by": by, "steps": steps, "after": after, "right": right, "images": len(labels)}


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    given = parser.parse_args()
    test = data.load("cifar10", "test").take(given.images)
    images = test.images.double()
    batches = list(torch.split(data.load("cifar10", "calibration").images.double(), BATCH)) * PASSES
    (one, late), two = theirs(batches, images), ours(batches, images)
    table = [*rows("SpikingJelly", one, test.labels, late), *rows("respike", two, test.labels, late)]
    near = [(a - b).abs().amax(-1) <= ALIKE * a.abs().max() for a, b in zip(one, two, strict=True)]
    with torch.no_grad():
        wanted = public.module()(test.images[:50])
        torch.testing.assert_close(module()(images[:50]).float(), wanted, rtol=0, atol=1e-3)
        network = int((module()(images).argmax(-1) == test.labels).sum())
    result = {
        "network right": network,
        "alike": int(torch.stack(near).all(0).sum()),
        "images": len(test),
        "updates": len(batches),
        "batch": BATCH,
        "rows": table,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
