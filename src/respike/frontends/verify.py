"""Checking a network against the original it was read from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from respike.errors import InvalidData, InvalidNetwork, NotEquivalent
from respike.frontends.capture import Captured, run_model
from respike.frontends.translate import state
from respike.ir import Network

RELATIVE_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How far outputs may be apart, relative to the largest output; 5e-2 for the half-precision types."""


def original_outputs(captured: Captured, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What the original gives for a batch of inputs."""
    if captured.model is not None:
        outputs = run_model(captured.model, inputs)
    else:
        names = [spec.arg.name for spec in captured.program.graph_signature.output_specs]
        values = _graph_values(captured, inputs)
        outputs = tuple(values[name] for name in names if name in values)
    if not all(bool(torch.isfinite(y).all()) for y in outputs):
        raise InvalidNetwork("the original itself gives NaN or infinite outputs on this batch")
    return outputs


def verify(captured: Captured, inputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    """Raise `NotEquivalent`, naming the first node that differs, unless the network gives what the original gave.

    Two outputs are the same if they differ nowhere by more than `tolerance · (largest value + 0.01)`.
    """
    if (wrong := first_wrong_output(captured.network, inputs, expected)) is not None:
        place = _first_difference(captured, inputs) or wrong
        raise NotEquivalent(
            f"the loaded network differs from the original, first at node {place!r}; this is an error of respike, "
            "please report it with the model"
        )


def first_wrong_output(network: Network, inputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> str | None:
    """The name of the first output that is not as expected."""
    values = network.values(inputs, set(network.outputs))
    wrong = (name for name, y in zip(network.outputs, expected, strict=True) if not close(values[name], y))
    return next(wrong, None)


def close(value: Tensor, wanted: Tensor) -> bool:
    """Whether two tensors agree up to the rounding of the coarser one's type."""
    if value.shape != wanted.shape:
        return False
    tolerance = max(RELATIVE_TOLERANCE.get(t.dtype, 5e-2) for t in (value, wanted))
    scale = wanted.abs().amax() if wanted.numel() else 0.0
    return bool(((value.to(wanted.device) - wanted).abs() <= tolerance * (scale + 0.01)).all())


def _first_difference(captured: Captured, inputs: tuple[Tensor, ...]) -> str | None:
    wanted = _graph_values(captured, inputs)
    for node, value in captured.network.stream(inputs):
        source = captured.sources.get(node.name)
        if source is not None and not close(value, wanted[source]):
            return node.name
    return None


def _graph_values(captured: Captured, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """The value of every node of the original's graph."""
    program, given = captured.program, iter(inputs)
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
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.values[n.name] = result
        return result
