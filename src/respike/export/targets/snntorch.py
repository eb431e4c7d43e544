"""snnTorch: its own neurons in a graph of ours; its reader of NIR does not take IF nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from respike.export.portable import Pooling
from respike.export.targets.target import Spikes, Target, read_graph, stepped
from respike.export.targets.wired import Wired


def load(path: str | Path) -> nn.Module:
    """A module for one time step, with `snntorch.Leaky` neurons that keep their state (`snntorch.utils.reset`)."""
    import snntorch

    def neuron(node: Any) -> nn.Module:
        threshold = torch.as_tensor(node.v_threshold)
        one = torch.ones(1, dtype=threshold.dtype)  # its spikes are float32 unless a factor makes them something else
        made: nn.Module = snntorch.Leaky(
            beta=one,
            threshold=threshold,
            init_hidden=True,
            reset_mechanism="subtract",
            reset_delay=True,
            graded_spikes_factor=one,
        )
        return made

    return Wired(read_graph(path, "snnTorch"), neuron)


def run(module: nn.Module, currents: Tensor, populations: tuple[str, ...]) -> Spikes:
    """Step after step."""
    assert isinstance(module, Wired)
    for name in populations:
        neuron: Any = module.nodes[name]
        neuron.reset_mem()
        neuron.mem = neuron.mem.to(currents.dtype)
    return stepped(module, {name: module.nodes[name] for name in populations}, currents)


SNNTORCH = Target(
    name="snntorch",
    pooling=Pooling.SUM,
    nir="any",
    fires=">",
    configure="`Leaky(beta=1, reset_mechanism='subtract', reset_delay=True)` built from the graph, because "
    "`snntorch.import_from_nir` fails on IF nodes",
    load=load,
    run=run,
)
