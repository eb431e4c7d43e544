"""Checking a network against the original it was read from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from respike.errors import InvalidNetwork, NotEquivalent
from respike.ir import Activation, ElementwiseAffine, Network, Node, evaluate, jumps, walk
from respike.ir.functions import ROUNDING

RELATIVE_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How far outputs may be apart, relative to the largest output; 5e-2 for the half-precision types."""


_ULPS = 64
"""Units in the last place that what is rounded may be off, of its largest value: sums are added in another order."""
_Doubtful: TypeAlias = tuple[Tensor, "Tensor | None"]
"""A value, and where it may be off by a step, if anywhere."""


class Readable(Protocol):
    """What every frontend gives: a network beside the original it was read from, which can still be run."""

    @property
    def network(self) -> Network:
        """The network, as it was written."""

    @property
    def examples(self) -> tuple[Tensor, ...]:
        """A batch of each input."""

    def outputs(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the original gives for a batch of inputs; `InvalidData` where it cannot run on them."""

    def values(self, inputs: tuple[Tensor, ...]) -> Mapping[str, Tensor]:
        """What the original computes on the way, by the name of the network's node that must give the same."""


def original_outputs(captured: Readable, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What the original gives for a batch of inputs, once it is finite."""
    outputs = captured.outputs(inputs)
    if not all(bool(torch.isfinite(y).all()) for y in outputs):
        raise InvalidNetwork("the original itself gives NaN or infinite outputs on this batch")
    return outputs


def verify(captured: Readable, inputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    """Raise `NotEquivalent`, naming the first node that differs, unless the network gives what the original gave.

    Two outputs are the same if they differ nowhere by more than `tolerance · (largest value + 0.01)`.
    """
    if (wrong := first_wrong_output(captured.network, inputs, expected)) is not None:
        if has_jumps(captured.network) and _same_but_for_jumps(captured, inputs, expected):
            return
        place = _first_difference(captured, inputs) or wrong
        found = f"the loaded network differs from the original, first at node {place!r}"
        if _magnifies_rounding(captured.network, inputs):
            raise NotEquivalent(
                f"{found}; the network magnifies rounding so much that float32 shows nothing: load it as model.double()"
            )
        check_repeats(captured, inputs, expected)
        raise NotEquivalent(f"{found}; this is an error of respike, please report it with the model")


def check_repeats(captured: Readable, inputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    """Raise `InvalidNetwork` where the original gives other outputs for the same batch a second time."""
    again = captured.outputs(inputs)
    if not all(close(y, wanted) for y, wanted in zip(again, expected, strict=True)):
        raise InvalidNetwork(
            "the original gives other outputs for the same batch a second time: it is random, or keeps state; take out "
            "what draws numbers or counts, or call model.eval()"
        )


def in_double(network: Network, inputs: tuple[Tensor, ...]) -> tuple[Network, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """A network in float64, inputs for it, and its outputs."""
    exact = network.to(torch.float64)
    doubles = tuple(x.double() if x.is_floating_point() else x for x in inputs)
    values = exact.values(doubles, set(exact.outputs))
    return exact, doubles, tuple(values[name] for name in exact.outputs)


def has_jumps(network: Network) -> bool:
    """Whether rounding of numbers can change values of the network by a whole step, as in quantised networks."""
    return any(jumps(node.function) for node in network.activations)


def _same_but_for_jumps(captured: Readable, inputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> bool:
    """Whether the network gives what the original gave, once the values that may have jumped are the original's.

    A rounding whose input stands at the next step, up to float32's own rounding, may take it in one of both and not in
    the other. Only such elements are taken from the original, and all that is computed of them is compared again.
    """
    wanted = captured.values(inputs)
    network = captured.network
    given: dict[str, _Doubtful] = {name: (value, None) for name, value in network.check_inputs(inputs).items()}

    def value(node: Node, read: list[_Doubtful]) -> _Doubtful:
        mine, doubt = evaluate(node, [one for one, _ in read]), None
        if isinstance(node, Activation) and jumps(node.function):
            before = read[0][0]
            rounded = _ULPS * torch.finfo(before.dtype).eps * (before.abs().amax() + 1)
            doubt = (before - before.round()).abs() <= rounded + ROUNDING
        elif isinstance(node, ElementwiseAffine | Activation):
            doubt = read[0][1]
        theirs = wanted.get(node.name)
        if doubt is None or theirs is None or theirs.shape != mine.shape:
            return mine, doubt
        return torch.where(doubt, theirs.to(mine), mine), None

    values = {node.name: result for node, (result, _) in walk(network.nodes, value, given)}
    return all(close(values[name], wanted.get(name, y)) for name, y in zip(network.outputs, expected, strict=True))


def _magnifies_rounding(network: Network, inputs: tuple[Tensor, ...]) -> bool:
    """Whether the network itself gives other outputs in float64."""
    return first_wrong_output(network, inputs, in_double(network, inputs)[2]) is not None


def first_wrong_output(network: Network, inputs: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> str | None:
    """The name of the first output that is not as expected."""
    values = network.values(inputs, set(network.outputs))
    wrong = (name for name, y in zip(network.outputs, expected, strict=True) if not close(values[name], y))
    return next(wrong, None)


def close(value: Tensor, wanted: Tensor) -> bool:
    """Whether two tensors agree up to the rounding of the coarser one's type; whole numbers do not round."""
    if value.shape != wanted.shape:
        return False
    rounding = (RELATIVE_TOLERANCE.get(t.dtype, 5e-2) for t in (value, wanted) if t.is_floating_point())
    tolerance = max(rounding, default=0.0)
    given, exact = value.to(wanted.device, torch.float64), wanted.double()
    scale = exact.abs().amax() if wanted.numel() else 0.0
    return bool(((given - exact).abs() <= tolerance * (scale + 0.01)).all())


def _first_difference(captured: Readable, inputs: tuple[Tensor, ...]) -> str | None:
    wanted = captured.values(inputs)
    for node, value in captured.network.stream(inputs):
        if node.name in wanted and not close(value, wanted[node.name]):
            return node.name
    return None
