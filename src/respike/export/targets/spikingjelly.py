"""SpikingJelly: its own reader of NIR, then reset by subtraction."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from respike.export.portable import Pooling
from respike.export.targets.target import Target, read_graph, stepped_with_state


def load(path: str | Path) -> nn.Module:
    """The module of `nir_exchange.import_from_nir`, with `v_reset=None`: reset by subtraction.

    A call gives `(output, state)`, and takes the state of the step before as its second argument.
    """
    from spikingjelly.activation_based import neuron, nir_exchange

    graph = read_graph(path, "SpikingJelly")
    weight = next(node.weight for node in graph.nodes.values() if hasattr(node, "weight"))
    module: nn.Module = nir_exchange.import_from_nir(graph, dt=1.0, dtype=torch.as_tensor(weight).dtype)
    for child in module.modules():
        if isinstance(child, neuron.IFNode):
            child.v_reset = None
    return module


SPIKINGJELLY = Target(
    name="spikingjelly",
    pooling=Pooling.AVERAGE,
    nir=">=1.0.6",
    fires=">=",
    configure="`import_from_nir(graph, dt=1.0)`, then `v_reset=None` on every `IFNode`; it knows no sum pools, so the "
    "file has averages; one threshold for a layer, no grouped convolutions",
    load=load,
    run=stepped_with_state,
)
