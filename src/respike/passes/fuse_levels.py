"""Activations with few values, which files spell as scales, clamps and a rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from respike.errors import UnsupportedOperator
from respike.ir import (
    Activation,
    Add,
    ElementwiseAffine,
    Floor,
    Function,
    Network,
    Node,
    Permute,
    QuantisedReLU,
    ReLU,
    Reshape,
    Slice,
)
from respike.passes.draft import Draft

_SAME = 1e-6
"""Relative distance of numbers that are one number, rounded differently."""


def fuse_levels(network: Network) -> Network:
    """A rounding with the scales and clamps around it as one activation, `u · clip(floor(x / u + o), 0, L)`.

    That is quantisation clip-floor-shift, LSQ, a pair of `QuantizeLinear` and `DequantizeLinear`, or any rounding of a
    bounded value to evenly spaced ones. With `n = clip(floor(a x + b), m, M)` and the value `s n + t`, the levels are
    L = M - m and `u = s`, between two affine maps that are left out where they change nothing. Straight-through
    estimators, `x + (q - x)`, are the q that they are in evaluation. What is rounded already is not rounded again.

    Raises:
        UnsupportedOperator: a rounding without bounds, or with a clamp between two of its values.
    """
    draft = Draft(network)
    for node in network.nodes:
        if isinstance(node, Activation) and isinstance(node.function, Floor) and node.name in draft.nodes:
            _fuse(draft, node)
    for node in tuple(draft.nodes.values()):
        if isinstance(node, Activation) and _is_rounded(draft, node.inputs[0], node.function):
            draft.remove(node.name, becomes=node.inputs[0])
    return draft.network()


def _is_rounded(draft: Draft, name: str, function: Function) -> bool:
    """Whether a value consists of the levels of a quantised activation, which then changes nothing."""
    if not isinstance(function, QuantisedReLU):
        return False
    while isinstance(node := draft.nodes[name], Reshape | Permute | Slice):
        name = node.inputs[0]
    found = node.function if isinstance(node, Activation) else None
    if not isinstance(found, QuantisedReLU):
        return False
    return found.levels <= function.levels and math.isclose(found.unit, function.unit, rel_tol=_SAME)


@dataclass
class _Steps:
    """What stands around a rounding: `n = clip(floor(scale · x + shift), low, high)` with the value `step · n + start`.

    Args:
        x: the node that is rounded.
        scale: times x, in float64; broadcasts against a batch, as all tensors here.
        shift: added to that.
        step: times the whole number.
        start: added to that.
        low: the smallest whole number.
        high: the largest.
        last: the node whose value this is.
    """

    x: str
    last: str
    scale: Tensor
    shift: Tensor
    step: Tensor
    start: Tensor
    low: float = -math.inf
    high: float = math.inf

    def clip(self, low: float, high: float) -> None:
        """Clips the whole numbers of the value so far."""
        self.low, self.high = (min(max(bound, low), high) for bound in (self.low, self.high))


def _fuse(draft: Draft, rounding: Activation) -> None:
    one, zero = torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    found = _Steps(rounding.inputs[0], rounding.name, one, zero, one, zero)
    _look_down(draft, found, rounding.name)
    _look_up(draft, found)
    if not math.isfinite(found.high - found.low):
        raise UnsupportedOperator(
            f"{rounding.name!r} rounds to any number of values, which no spiking neurons can tell apart; clamp what it "
            "rounds between two numbers (torch.clamp), or leave the rounding out"
        )
    if found.high == found.low:
        raise UnsupportedOperator(
            f"{rounding.name!r} rounds to one value, whatever the input; widen the clamp around it, or put that "
            "constant in its place"
        )
    _put(draft, rounding, found)


def _look_up(draft: Draft, found: _Steps) -> None:
    """Takes in the affine maps and clamps in front; an inner clamp acts before those that are known already."""
    while True:
        match draft.nodes[found.x]:
            case ElementwiseAffine(inputs=(source,), scale=scale, shift=shift):
                found.shift = found.scale * shift.double() + found.shift
                found.scale, found.x = found.scale * scale.double(), source
            case Activation(inputs=(source,), function=ReLU(ceiling=top) as function) if type(function) is ReLU:
                ends = sorted((_floor(found.shift), _floor(found.scale * top + found.shift)), key=_first)
                if any(bool((end != end.flatten()[0]).any()) for end in ends):
                    return
                outer = (found.low, found.high)
                found.low, found.high = map(_first, ends)
                found.clip(*outer)
                found.x = source
            case _:
                return


def _floor(values: Tensor) -> Tensor:
    """The floor of numbers that rounding may have put below a whole one."""
    nearest = values.round()
    return torch.where((values - nearest).abs() <= _SAME * nearest.abs().clamp(min=1.0), nearest, values.floor())


def _look_down(draft: Draft, found: _Steps, name: str) -> None:
    """Takes in the affine maps and clamps behind, as far as nothing else reads what is on the way."""
    while (reader := _only_reader(draft, found.last)) is not None:
        match reader:
            case ElementwiseAffine(scale=scale, shift=shift):
                found.start = found.start * scale.double() + shift.double()
                found.step = found.step * scale.double()
            case Activation(function=ReLU(ceiling=top) as function) if type(function) is ReLU:
                if not _clamp(found, top, name):
                    return
            case Add():
                through = _straight_through(draft, reader, found.last)
                if through is None:
                    return
                reader, factor = through
                found.start, found.step = found.start * factor, found.step * factor
            case _:
                return
        found.last = reader.name


def _only_reader(draft: Draft, name: str) -> Node | None:
    return draft.readers(name)[0] if draft.is_read_once(name) else None


def _clamp(found: _Steps, top: float, name: str) -> bool:
    """Clips the whole numbers where the value is clipped to [0, top]; False where the clamp is not the same for all."""
    ends = sorted(((end - found.start) / found.step for end in (torch.tensor(0.0), torch.tensor(top))), key=_first)
    if any(bool((end != end.flatten()[0]).any()) for end in ends):
        return False
    low, high = map(_first, ends)
    for bound, binds in ((low, low > found.low), (high, high < found.high)):
        if binds and math.isfinite(bound) and abs(bound - round(bound)) > _SAME * max(1.0, abs(bound)):
            raise UnsupportedOperator(
                f"{name!r} is clamped at {bound:.6g} of its steps, between two of its values; clamp at "
                f"{math.floor(bound)} or {math.ceil(bound)} of them, or in front of the rounding"
            )
    found.clip(*(round(bound) if math.isfinite(bound) else bound for bound in (low, high)))
    return True


def _first(values: Tensor) -> float:
    return float(values.flatten()[0])


def _straight_through(draft: Draft, total: Add, value: str) -> tuple[Node, float] | None:
    """Behind a sum with another signal, the node where that has cancelled out, and the factor of the value there.

    That is how straight-through estimators are written: `x + (value - x)`, or `x - (x - value)`.
    """
    others = [name for name in total.inputs if name != value]
    if len(total.inputs) != 2 or len(others) != 1:
        return None
    other, share = _multiple(draft, others[0])
    node: Node | None = total
    factor = 1.0
    while node is not None and abs(share) > _SAME:
        before, node = node.name, _only_reader(draft, node.name)
        match node:
            case ElementwiseAffine() if (times := _number(node)) is not None:
                factor, share = factor * times, share * times
            case Add(inputs=(first, second)) if first != second:
                base, times = _multiple(draft, second if first == before else first)
                share = share + times if base == other else math.inf
            case _:
                node = None
    return None if node is None or not math.isfinite(share) else (node, factor)


def _multiple(draft: Draft, name: str) -> tuple[str, float]:
    """What a value is a multiple of, and by which number."""
    factor = 1.0
    while isinstance(node := draft.nodes[name], ElementwiseAffine) and (times := _number(node)):
        name, factor = node.inputs[0], factor * times
    return name, factor


def _number(node: ElementwiseAffine) -> float | None:
    """The one number that a node multiplies by, if that is all that it does."""
    scale = node.scale.flatten()
    return float(scale[0]) if bool((scale == scale[0]).all()) and not bool(node.shift.any()) else None


def _put(draft: Draft, rounding: Activation, found: _Steps) -> None:
    """Puts the activation in the place of the rounding, and what is left of the affine maps on both sides of it."""
    sizes = found.step.abs().flatten()
    unit = float(sizes[0]) if bool((sizes == sizes[0]).all()) and bool(sizes[0] > 0) else 1.0
    shift, levels = found.shift - found.low, int(found.high - found.low)
    offset = float(_first(shift) - _floor(shift).flatten()[0])
    offset = next((nice for nice in (0.0, 0.5) if abs(offset - nice) <= _SAME * levels), offset)
    function = QuantisedReLU(unit * levels, levels, offset)
    last = found.last if found.last != rounding.name else f"{rounding.name}.start"
    before = ElementwiseAffine(f"{rounding.name}.scale", (found.x,), unit * found.scale, unit * (shift - offset))
    after = ElementwiseAffine(last, (rounding.name,), found.step / unit, found.step * found.low + found.start)
    changed = not _is_identity(before, function.ceiling)
    source = before.name if changed else found.x
    middle = Activation(rounding.name, (source,), function, rounding.population)
    put: dict[str, list[Node]] = {
        rounding.name: [_typed(before, draft), middle] if changed else [middle],
        last: [_typed(after, draft)],
    }
    if last != found.last:
        put[rounding.name] += put.pop(last)
        draft.redirect(rounding.name, last)
    draft.nodes = {new.name: new for node in draft.nodes.values() for new in put.get(node.name, [node])}
    if _is_identity(after, function.ceiling):
        draft.remove(last, becomes=rounding.name)


def _is_identity(node: ElementwiseAffine, largest: float) -> bool:
    return bool(((node.scale - 1).abs() <= _SAME).all() and (node.shift.abs() <= _SAME * largest).all())


def _typed(node: ElementwiseAffine, draft: Draft) -> ElementwiseAffine:
    return replace(node, scale=node.scale.to(draft.dtype).contiguous(), shift=node.shift.to(draft.dtype).contiguous())
