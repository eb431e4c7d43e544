"""`load`: the first verb, from a trained network to a checked `Network`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from torch import Tensor, nn
from torch.export import ExportedProgram

from respike.errors import NotEquivalent
from respike.frontends.archive import read_program
from respike.frontends.capture import Example, capture, check_examples
from respike.frontends.verify import first_wrong_output, original_outputs
from respike.frontends.verify import verify as check
from respike.ir import Network
from respike.passes import STANDARD, Pass, prepare

Inputs: TypeAlias = tuple[Tensor, ...]


def load(
    source: nn.Module | ExportedProgram | str | Path,
    example: Example | None = None,
    *,
    verify: Tensor | Iterable[Example] | None = None,
    passes: Iterable[Pass] = STANDARD,
) -> Network:
    """Read a trained network, check it against the original, and prepare it for conversion.

    `source` is a PyTorch module in evaluation mode, a `torch.export` program, or the path of a `.pt2` archive.
    `example` is a batch of inputs `[batch, ...]` (a tuple if there are several); programs and archives bring their own.
    The network is compared with the original on the example and on every batch of `verify`, before and after the
    `passes`: outputs must agree within 1e-4 (float32; 1e-9 in float64) of the largest output. The source is left as
    it is.

        network = load(model, images[:8])

    Raises `UnsupportedOperator` listing every operator that cannot be converted, `InvalidNetwork` (training mode,
    weights that are NaN), `NotEquivalent` naming the first node that differs, `InvalidData` (an example that does not
    fit), `InvalidFile` (missing, damaged, or a kind that could run code).
    """
    captured = capture(read_program(source) if isinstance(source, str | Path) else source, example)
    steps = tuple(passes)
    network = prepare(captured.network, steps)
    for batch in (captured.examples, *_batches(verify)):
        inputs = check_examples(batch)
        expected = original_outputs(captured, inputs)
        check(captured, inputs, expected)
        if (wrong := first_wrong_output(network, inputs, expected)) is not None:
            guilty = _guilty_pass(captured.network, steps, inputs, expected)
            raise NotEquivalent(f"the pass {guilty} changes what the network computes, at output {wrong!r}")
    return network


def _guilty_pass(network: Network, steps: tuple[Pass, ...], inputs: Inputs, expected: Inputs) -> str:
    for step in steps:
        network = step(network)
        if first_wrong_output(network, inputs, expected) is not None:
            return step.__name__
    return "?"


def _batches(verify: Tensor | Iterable[Example] | None) -> Iterable[Example]:
    if verify is None:
        return ()
    return (verify,) if isinstance(verify, Tensor) else verify
