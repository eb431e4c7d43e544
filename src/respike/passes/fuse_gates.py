"""Activations that were written as a signal times its own gate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.ir import (
    GELU,
    Activation,
    Add,
    ElementwiseAffine,
    Erf,
    Function,
    Hardswish,
    Mish,
    Multiply,
    Network,
    Node,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from respike.passes.draft import Draft


def fuse_gates(network: Network) -> Network:
    """Products of a signal and its own gate as the one activation that they are.

    `x · sigmoid(a x)` is a SiLU, `x · min(max(0, x / 6 + 1 / 2), 1)` Hardswish, `x · tanh(log(1 + exp(x)))` Mish,
    `x / 2 · (1 + erf(x / √2))` a GELU, and `x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))` the GELU by tanh; any of
    them may be scaled. That is how models and files spell them. As a product they would have to be sent as spikes; as
    an activation they are one function.
    """
    draft = Draft(network)
    for node in network.nodes:
        if isinstance(node, Multiply) and (found := _activation(draft, *node.inputs)) is not None:
            _put(draft, node.name, found)
    return draft.network()


@dataclass(frozen=True)
class _Found:
    """`after · function(before · x)`."""

    x: str
    function: Function
    before: float = 1.0
    after: float = 1.0


def _put(draft: Draft, name: str, found: _Found) -> None:
    """Puts an activation, and the scales around it that are not 1, in the place of a product."""
    put: list[Node] = []
    source, middle = found.x, name if found.after == 1 else f"{name}.activation"
    if found.before != 1:
        put.append(_scale(draft, f"{name}.scale", source, found.before))
        source = put[-1].name
    put.append(Activation(middle, (source,), found.function))
    if found.after != 1:
        put.append(_scale(draft, name, middle, found.after))
    nodes = [new for node in draft.nodes.values() for new in (put if node.name == name else [node])]
    draft.nodes = {node.name: node for node in nodes}


def _scale(draft: Draft, name: str, source: str, factor: float) -> ElementwiseAffine:
    number = torch.tensor(factor, dtype=draft.dtype)
    return ElementwiseAffine(name, (source,), number, torch.zeros_like(number))


def _activation(draft: Draft, first: str, second: str) -> _Found | None:
    """What a product is, if one factor is the gate of the other."""
    for signal, gate in ((first, second), (second, first)):
        for x, factor in dict.fromkeys(((signal, 1.0), _scaled(draft, signal))):
            if (found := _gated(draft, x, factor, gate)) is not None:
                return found
    return None


def _gated(draft: Draft, x: str, factor: float, gate: str) -> _Found | None:
    """What `factor · x · gate` is, if that is a function of x alone."""
    inner, scale, shift = _line(draft, gate)
    node = draft.nodes[inner]
    if not isinstance(node, Activation):
        return None
    read = _line(draft, node.inputs[0], x)
    match node.function:
        case Sigmoid() if shift == 0 and read[0] == x and read[1] != 0 == read[2]:
            return _Found(x, SiLU(), read[1], _rounded(factor * scale / read[1]))
        case ReLU(ceiling=1.0) if shift == 0 and _same(read, (x, 1 / 6, 0.5)):
            return _Found(x, Hardswish(), after=_rounded(factor * scale))
        case Tanh() if _near(scale, shift) and _is_cubic(draft, node.inputs[0], x):
            return _Found(x, GELU(approximate=True), after=_rounded(2 * scale * factor))
        case Tanh() if shift == 0 and read == (node.inputs[0], 1.0, 0.0) and _is_softplus(draft, read[0], x):
            return _Found(x, Mish(), after=_rounded(factor * scale))
        case Erf() if _near(scale, shift) and _same(read, (x, math.sqrt(0.5), 0.0)):
            return _Found(x, GELU(), after=_rounded(2 * scale * factor))
        case _:
            return None


def _is_softplus(draft: Draft, name: str, x: str) -> bool:
    """Whether a value is `log(1 + exp(x))`."""
    node = draft.nodes[name]
    return isinstance(node, Activation) and node.function == Softplus() and node.inputs == (x,)


def _is_cubic(draft: Draft, name: str, x: str) -> bool:
    """Whether a value is `√(2/π) · (x + 0.044715 · x³)`."""
    inner, factor = _scaled(draft, name)
    total = draft.nodes[inner]
    if not isinstance(total, Add) or len(total.inputs) != 2 or not _near(factor, math.sqrt(2 / math.pi)):
        return False
    for same, other in (total.inputs, total.inputs[::-1]):
        cube, share = _scaled(draft, other)
        if same == x and _near(share, 0.044715) and _is_cube(draft, cube, x):
            return True
    return False


def _is_cube(draft: Draft, name: str, x: str) -> bool:
    match draft.nodes[name]:
        case Multiply(inputs=(first, second)) if x in (first, second):
            square = draft.nodes[second if first == x else first]
            return isinstance(square, Multiply) and set(square.inputs) == {x}
        case _:
            return False


def _scaled(draft: Draft, name: str) -> tuple[str, float]:
    """What a value is a multiple of, and by which number; itself where it is none."""
    source, scale, shift = _line(draft, name)
    return (source, scale) if shift == 0 else (name, 1.0)


def _line(draft: Draft, name: str, until: str = "") -> tuple[str, float, float]:
    """The x, a and b of a value `a · x + b` with numbers a and b, as far up as there are such maps, or until an x."""
    scale, shift = 1.0, 0.0
    while name != until and isinstance(node := draft.nodes[name], ElementwiseAffine):
        numbers = _number(node.scale), _number(node.shift)
        if numbers[0] is None or numbers[1] is None:
            break
        name, scale, shift = node.inputs[0], scale * numbers[0], scale * numbers[1] + shift
    return name, scale, shift


def _number(values: Tensor) -> float | None:
    """The one number that all values are."""
    flat = values.flatten()
    return float(flat[0]) if bool((flat == flat[0]).all()) else None


def _same(found: tuple[str, float, float], wanted: tuple[str, float, float]) -> bool:
    return found[0] == wanted[0] and all(map(_near, found[1:], wanted[1:]))


def _near(number: float, wanted: float) -> bool:
    return math.isclose(number, wanted, rel_tol=1e-5)


def _rounded(number: float) -> float:
    """1 where rounding alone keeps a number from it."""
    return 1.0 if _near(number, 1.0) else number
