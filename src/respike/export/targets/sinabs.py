"""sinabs: its own reader of NIR, with one spike a step and no lower bound of the potential."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from respike.export.portable import Pooling
from respike.export.targets.target import Spikes, Target, read_graph
from respike.export.targets.wired import topological


def load(path: str | Path) -> nn.Module:
    """The module of `sinabs.nir.from_nir`, configured. It takes steps folded into the batch, `[batch · steps, *shape]`.

    Set `batch_size` of its layers to the batch's before a run (`run` does).
    """
    import sinabs.activation
    import sinabs.layers
    import sinabs.nir

    graph = read_graph(path, "sinabs")
    for node in graph.nodes.values():
        if type(node).__name__ == "IF":  # its layers take the batch as the first dimension of a threshold
            node.v_threshold = node.v_threshold.flat[0]
    module: Any = sinabs.nir.from_nir(graph, batch_size=1)
    order = topological(graph)
    module.execution_order.sort(key=lambda node: order.index(node.name))
    for layer in module.modules():
        if isinstance(layer, sinabs.layers.IAFSqueeze):
            layer.spike_fn = sinabs.activation.SingleSpike
            layer.min_v_mem = None
            layer.register_forward_hook(_typed)
    configured: nn.Module = module
    return configured


def _typed(layer: nn.Module, given: tuple[Tensor], spikes: Tensor) -> Tensor:
    """Its spikes are float32, whatever the potentials are."""
    return spikes.to(given[0].dtype)


def run(module: nn.Module, currents: Tensor, populations: tuple[str, ...]) -> Spikes:
    """All steps at once."""
    import sinabs.layers

    steps, batch = currents.shape[:2]
    kept: dict[str, Tensor] = {}
    layers = {name.split(".")[-1]: layer for name, layer in module.named_modules()}
    hooks = []
    for name in populations:
        layer: Any = layers[name]
        assert isinstance(layer, sinabs.layers.IAFSqueeze)
        layer.batch_size = batch
        layer.reset_states()

        def keep(_: nn.Module, __: object, result: Tensor, name: str = name) -> None:
            kept[name] = result.reshape(batch, steps, *result.shape[1:]).transpose(0, 1)

        hooks.append(layer.register_forward_hook(keep))
    with torch.no_grad():
        module(currents.transpose(0, 1).flatten(0, 1))
    for hook in hooks:
        hook.remove()
    return kept


SINABS = Target(
    name="sinabs",
    pooling=Pooling.SUM,
    nir="<=1.0.4",
    fires=">=",
    configure="`spike_fn=SingleSpike` (its default sends several spikes a step); `min_v_mem=None` (its reader bounds "
    "the potential at minus the threshold); nirtorch 2.0's executor in topological order (it runs a sum of branches "
    "before the last branch is there); average pools are dropped silently, so the file has sums",
    load=load,
    run=run,
)
