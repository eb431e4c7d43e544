"""Running the graph that torch.export gave, node by node."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram

from respike.errors import InvalidData
from respike.frontends.torch.functional import is_in_place
from respike.frontends.torch.translate import state


def graph_values(program: ExportedProgram, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """The value of every node of a graph, by the node's name."""
    given = iter(inputs)
    signature = program.graph_signature
    user = set(signature.user_inputs)
    values = [next(given).clone() if s.arg.name in user else state(program, s.target) for s in signature.input_specs]
    recorder = _Recorder(program.graph_module)
    try:
        with torch.no_grad():
            recorder.run(*values, enable_io_processing=False)
    except RuntimeError as error:
        shapes = " and ".join(str(list(x.shape)) for x in inputs)
        first = str(error).splitlines()[0]
        raise InvalidData(
            f"the exported program cannot run on {shapes}: {first}; if it was exported for a fixed batch size, "
            "give batches of that size, or export it with dynamic_shapes"
        ) from None
    return recorder.values


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps every tensor."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.values: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "call_function" and not n.users and not is_in_place(n):
            return None  # what nobody reads was not looked at, either
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.values[n.name] = result.clone()  # an in-place operator may change it
        return result
