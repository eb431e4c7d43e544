"""nirtorch: its executor of graphs with a node map of ours; its own map of `Affine` loads no bias."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from respike.export.portable import Pooling
from respike.export.targets.target import Target, read_graph, stepped_with_state
from respike.export.targets.wired import stateless


class IntegrateAndFire(nn.Module):
    """`v ← v + current`, a spike where `v ≥ threshold`, `v ← v - threshold · spike`; the state is handed in and out."""

    def __init__(self, node: Any) -> None:
        super().__init__()
        self.register_buffer("threshold", torch.as_tensor(node.v_threshold))

    def forward(self, current: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The spikes of one step, and the potential."""
        threshold = self.get_buffer("threshold")
        charged = current if state is None else state + current
        spikes = (charged >= threshold).to(current.dtype)
        return spikes, charged - threshold * spikes


def load(path: str | Path) -> nn.Module:
    """The module of `nirtorch.nir_to_torch` with our node map. A call gives `(output, state)`."""
    import nir
    import nirtorch

    graph = read_graph(path, "nirtorch")
    kinds = (nir.Affine, nir.Conv1d, nir.Conv2d, nir.SumPool2d, nir.AvgPool2d, nir.Flatten, nir.Input, nir.Output)
    node_map = {**dict.fromkeys(kinds, stateless), nir.IF: IntegrateAndFire}
    module: nn.Module = nirtorch.nir_to_torch(graph, node_map)
    return module


NIRTORCH = Target(
    name="nirtorch",
    pooling=Pooling.SUM,
    nir=">=1.0.6",
    fires=">=",
    configure="a node map with neurons of ours (`IntegrateAndFire`), and with `Affine` that loads its bias, as "
    "nirtorch's own does not",
    load=load,
    run=stepped_with_state,
)
