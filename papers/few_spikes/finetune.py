"""Fine-tuning: how much of what few steps lose a short training wins back, on the full MNIST test set.

Run it with `python papers/few_spikes/finetune.py`; it takes minutes on a CPU and prints a table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch
from torch.nn.functional import cross_entropy

import respike
from respike import Plan, SpikingNetwork, data, methods, zoo
from respike.data import Dataset
from respike.ir import Network
from respike.training import SpikingModule

BATCH_SIZE = 100


def main() -> None:
    """Converts, measures, trains on, measures again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="mnist-cnn", help="a network of the zoo")
    parser.add_argument("--images", type=int, default=20_000, help="training images of one epoch")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=3e-4, help="the first learning rate; it falls to zero")
    given = parser.parse_args()
    dataset = zoo.find(given.network).dataset
    calibration = data.load(dataset, "calibration").images[:1000]
    network = respike.load(zoo.load(given.network), calibration[:8])
    train, test = data.load(dataset, "train").take(given.images), data.load(dataset, "test")
    print("| conversion | network | converted | fine-tuned | spikes a neuron, before and after |")
    print("| --- | --- | --- | --- | --- |")
    for name, plan in conversions(network, calibration):
        before = respike.measure(SpikingNetwork(network, plan), test.batches(BATCH_SIZE))
        module = SpikingNetwork(network, plan).to_module()
        tune(module, train, given.epochs, given.rate)
        after = respike.measure(SpikingNetwork.from_module(module), test.batches(BATCH_SIZE))
        accuracies = f"{before.network_accuracy:.2%} | {before.accuracy[-1]:.2%} | {after.accuracy[-1]:.2%}"
        print(f"| {name} | {accuracies} | {before.spikes_per_neuron:.2f}, {after.spikes_per_neuron:.2f} |", flush=True)


def conversions(network: Network, calibration: torch.Tensor) -> Iterator[tuple[str, Plan]]:
    """Conversions with so few steps that accuracy is lost."""
    for steps in (1, 2, 3):
        yield f"few_spikes, K = {steps}", methods.few_spikes(network, calibration, steps=steps)
    for steps in (2, 4):
        yield f"max_norm, T = {steps}", methods.max_norm(network, calibration, steps=steps)


def tune(module: SpikingModule, images: Dataset, epochs: int, rate: float) -> None:
    """Cross entropy, Adam, a learning rate that falls to zero; the seed is fixed."""
    optimizer = torch.optim.Adam(module.parameters(), rate)
    steps = epochs * -(-len(images) // BATCH_SIZE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(1)
    pixels = images.images
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for start in range(0, len(images), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            optimizer.zero_grad()
            torch.autograd.backward(cross_entropy(module(pixels[batch]), images.labels[batch]))
            optimizer.step()
            falling.step()


if __name__ == "__main__":
    main()
