"""norse: its cells and its threshold function, with a step that resets by subtraction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from respike.export.portable import Pooling
from respike.export.targets.target import Spikes, Target, read_graph, stepped
from respike.export.targets.wired import Wired


def load(path: str | Path) -> nn.Module:
    """A module for one time step, of norse's `SNNCell` around its IAF step patched to reset by subtraction."""
    return Wired(read_graph(path, "norse"), _Population)


class _Population(nn.Module):
    """norse's integrate-and-fire step with `v - v_th · z` in the place of `(1 - z) v + z v_reset`."""

    def __init__(self, node: Any) -> None:
        super().__init__()
        from norse.torch.functional.iaf import IAFFeedForwardState, IAFParameters, iaf_feed_forward_step
        from norse.torch.module.snn import SNNCell

        def step(current: Tensor, state: Any, p: Any, dt: float) -> tuple[Tensor, Any]:
            spikes, _ = iaf_feed_forward_step(current, state, p, dt)
            return spikes, IAFFeedForwardState(v=state.v + current - p.v_th * spikes)

        def rest(current: Tensor) -> Any:
            return IAFFeedForwardState(v=torch.zeros_like(current))

        self.cell = SNNCell(step, rest, IAFParameters(v_th=torch.as_tensor(node.v_threshold)))
        self.state: Any = None

    def forward(self, current: Tensor) -> Tensor:
        """The spikes of one step."""
        spikes: Tensor
        spikes, self.state = self.cell(current, self.state)
        return spikes


def run(module: nn.Module, currents: Tensor, populations: tuple[str, ...]) -> Spikes:
    """Step after step."""
    assert isinstance(module, Wired)
    for name in populations:
        population: Any = module.nodes[name]
        population.state = None
    return stepped(module, {name: module.nodes[name] for name in populations}, currents)


NORSE = Target(
    name="norse",
    pooling=Pooling.SUM,
    nir="any",
    fires=">",
    configure="its IAF step resets to a value only: the reset is replaced by a subtraction; average pools are dropped "
    "silently by its reader of NIR, so the file has sums",
    load=load,
    run=run,
)
