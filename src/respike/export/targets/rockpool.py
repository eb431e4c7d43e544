"""rockpool: its `LIFNeuronTorch` without a leak, in a graph of ours; its reader of NIR takes no IF nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from respike.export.portable import Pooling
from respike.export.targets.target import Spikes, Target, read_graph, stepped
from respike.export.targets.wired import Wired


def load(path: str | Path) -> nn.Module:
    """A module for all time steps of a batch, folded into one, with a `LIFNeuronTorch` for each population."""
    return Wired(read_graph(path, "rockpool"), _Population)


class _Population(nn.Module):
    """rockpool keeps the state of a batch's first image alone between calls, so it gets all steps in one call."""

    def __init__(self, node: Any) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.as_tensor(node.v_threshold), requires_grad=False)
        self.steps = 1

    def forward(self, currents: Tensor) -> Tensor:
        """The spikes of all steps, `[steps * batch, *shape]`."""
        from rockpool.nn.modules import LIFNeuronTorch

        count = currents[0].numel()
        neurons = LIFNeuronTorch(shape=(count,), tau_mem=float("inf"), max_spikes_per_dt=1, dt=1.0)
        neurons = neurons.to(currents.dtype)
        neurons.threshold.data = self.threshold.broadcast_to(currents.shape[1:]).flatten()
        by_image = currents.reshape(self.steps, -1, count).transpose(0, 1)
        spikes, _, _ = neurons(by_image)
        found: Tensor = spikes.transpose(0, 1).reshape(currents.shape).to(currents.dtype)
        return found


def run(module: nn.Module, currents: Tensor, populations: tuple[str, ...]) -> Spikes:
    """All steps at once: a layer after the other, which is the same, for spikes cross the network within a step."""
    assert isinstance(module, Wired)
    for population in module.modules():
        if isinstance(population, _Population):
            population.steps = len(currents)
    watched = {name: module.nodes[name] for name in populations}
    folded = stepped(module, watched, currents.flatten(0, 1)[None])
    return {name: spikes[0].reshape(*currents.shape[:2], *spikes.shape[2:]) for name, spikes in folded.items()}


ROCKPOOL = Target(
    name="rockpool",
    pooling=Pooling.SUM,
    nir="any",
    fires=">=",
    configure="`LIFNeuronTorch(tau_mem=inf, max_spikes_per_dt=1)` in our own graph, because its reader of NIR takes no "
    "`Conv2d` and no `IF` nodes; all steps in one call, because it keeps the state of a batch's first image alone",
    load=load,
    run=run,
)
