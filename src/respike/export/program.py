"""A conversion as a list of a few plain operations on flat arrays: what the runners in a folder compute."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.export.portable import CannotExport, Portable, is_shift
from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    Concat,
    Conv,
    ElementwiseAffine,
    FixedLinear,
    Input,
    Linear,
    MaxPool,
    Network,
    Node,
    Pad,
    Permute,
    Reshape,
    Slice,
    apply,
    channelwise,
)
from respike.neurons import Burst, IntegrateFire, Neuron, SignedIntegrateFire
from respike.plan import AccumulatedMax, Quantity, Site, SpikeCount
from respike.record import OUTPUT

NONE = "-"
"""What stands for an array or a rule that an operation does not have."""

Save = Callable[[str, Tensor], str]
"""Saves an array under a name, and gives its file."""


@dataclass(frozen=True)
class Operation:
    """One line of a program.

    Args:
        kind: what is computed.
        rule: how, where there are several ways.
        first: the file of its first array.
        second: the file of its second array.
        numbers: its number, the size of its value, the number of the operation that it reads, and its geometry.
    """

    kind: str
    numbers: tuple[int, ...]
    rule: str = NONE
    first: str = NONE
    second: str = NONE

    def __str__(self) -> str:
        """As it stands in the file."""
        numbers = " ".join(map(str, self.numbers))
        return f"{self.kind} {self.rule} {self.first} {self.second} {len(self.numbers)} {numbers}"


@dataclass
class Program:
    """The operations of a network, in order.

    Args:
        operations: the lines.
        places: for each node the number of the operation that gives its value.
        readout: the number of the operation whose values are added up.
    """

    operations: list[Operation] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    readout: int = 0

    def add(self, kind: str, size: int, source: int, *geometry: int, **files: str) -> int:
        """Adds a line and gives its number."""
        number = len(self.operations)
        self.operations.append(Operation(kind, (number, size, source, *geometry), **files))
        return number


def program_of(lowered: Portable, files: Mapping[tuple[str, str], str], save: Save) -> Program:
    """The program of a conversion.

    Args:
        lowered: the conversion in portable nodes.
        files: of the weights and biases, by node and name.
        save: saves further arrays.

    Raises:
        CannotExport: a node or a neuron for which there is no operation.
    """
    network, plan, program = lowered.network, lowered.plan, Program()
    for node in network.nodes:
        program.places[node.name] = _operation(node, lowered, program, files, save)
    program.readout = program.places[network.outputs[0]]
    if isinstance(plan.readout, SpikeCount):
        shape = network.shapes[network.outputs[0]]
        program.readout = _fire(OUTPUT, plan.readout.site, shape, program.readout, lowered, program, save)
        program.places[OUTPUT] = program.readout
    return program


def _operation(
    node: Node, lowered: Portable, program: Program, files: Mapping[tuple[str, str], str], save: Save
) -> int:
    network = lowered.network
    shape = network.shapes[node.name]
    size = math.prod(shape)
    sources = [program.places[name] for name in node.inputs]
    arrays = {key: files.get((node.name, part), NONE) for key, part in (("first", "weight"), ("second", "bias"))}
    match node:
        case Input():
            if program.operations:
                raise CannotExport("the runners take networks with one input")
            return program.add("input", size, 0, int(lowered.plan.coding.spiking))
        case Linear():
            taken = network.shapes[node.inputs[0]]
            return program.add("linear", size, sources[0], math.prod(taken[:-1]), taken[-1], shape[-1], **arrays)
        case Conv() if len(node.stride) <= 2:
            geometry = _windows(node, tuple(node.weight.shape[2:]), network)
            return program.add("conv", size, sources[0], *geometry, node.groups, **arrays)
        case AvgPool(divisor=1) if len(node.stride) <= 2:
            return program.add("sum", size, sources[0], *_windows(node, node.kernel, network))
        case MaxPool() if len(node.stride) <= 2:
            rule = "accumulated" if isinstance(lowered.plan.max_pooling, AccumulatedMax) else "momentary"
            return program.add("max", size, sources[0], *_windows(node, node.kernel, network), rule=rule)
        case AdaptiveMaxPool() if (windows := _even(node, network)) is not None:
            return _operation(windows, lowered, program, files, save)
        case Add():
            spread = [_spread(name, shape, network, program, save) for name in node.inputs]
            total = spread[0]
            for other in spread[1:]:
                total = program.add("add", size, total, other)
            return total
        case Concat():
            return _concat(node, network, program, save)
        case Reshape():
            return sources[0]
        case ElementwiseAffine() if is_shift(node):
            return program.add("shift", size, sources[0], first=save(f"{node.name} shift", _flat(node.shift, shape)))
        case Permute() | Slice() | Pad(value=0.0):
            return _gather(node, network, program, save)
        case FixedLinear() if _copies(node.matrix):
            return _gather(node, network, program, save)
        case Activation():
            return _fire(node.name, lowered.plan.sites[node.name], shape, sources[0], lowered, program, save)
        case _:
            raise CannotExport(f"the runners have no operation for layer {node.name!r} ({type(node).__name__})")


def _windows(node: Conv | AvgPool | MaxPool, kernel: tuple[int, ...], network: Network) -> tuple[int, ...]:
    """Channels, height and width of what is read and given, kernel, stride, padding, dilation."""
    taken, given = network.shapes[node.inputs[0]], network.shapes[node.name]
    dilation = (1,) * len(kernel) if isinstance(node, AvgPool) else node.dilation
    flat = 2 - len(kernel)
    one, none = (1,) * flat, (0,) * flat
    space = [(*one, *shape[len(shape) - len(kernel) :]) for shape in (taken, given)]
    channels = [math.prod(shape) // math.prod(shape[len(shape) - len(kernel) :]) for shape in (taken, given)]
    steps = (*one, *node.stride, *none, *node.padding, *one, *dilation)
    return (channels[0], *space[0], channels[1], *space[1], *one, *kernel, *steps)


def _even(node: AdaptiveMaxPool, network: Network) -> MaxPool | None:
    """The pool with windows of one size that gives the same."""
    sizes = network.shapes[node.inputs[0]][-len(node.output_size) :]
    if len(sizes) > 2 or any(size % parts for size, parts in zip(sizes, node.output_size, strict=True)):
        return None
    kernel = tuple(size // parts for size, parts in zip(sizes, node.output_size, strict=True))
    return MaxPool(node.name, node.inputs, kernel, kernel, (0,) * len(kernel), (1,) * len(kernel))


def _numbered(shape: tuple[int, ...], first: int = 0) -> Tensor:
    """A sample whose elements are their own numbers, from `first` + 1 on; exact below 2^53."""
    return torch.arange(first + 1, first + 1 + math.prod(shape), dtype=torch.float64).reshape(1, *shape)


def _gather(node: Permute | Slice | Pad | FixedLinear, network: Network, program: Program, save: Save) -> int:
    if isinstance(node, FixedLinear):
        node = dataclasses.replace(node, matrix=node.matrix.double())
    moved = apply(node, (_numbered(network.shapes[node.inputs[0]]),))
    return _take(moved, program.places[node.inputs[0]], node.name, program, save)


def _take(moved: Tensor, source: int, name: str, program: Program, save: Save) -> int:
    """Elements of a value by their numbers, 0 for none."""
    index = (moved.flatten() - 1).to(torch.int32)
    return program.add("gather", len(index), source, first=save(f"{name} index", index))


def _spread(name: str, shape: tuple[int, ...], network: Network, program: Program, save: Save) -> int:
    """The value of a node, broadcast to a shape."""
    own = network.shapes[name]
    if own == shape:
        return program.places[name]
    moved = _numbered(own).reshape(1, *(1,) * (len(shape) - len(own)), *own).expand(1, *shape)
    return _take(moved, program.places[name], name, program, save)


def _concat(node: Concat, network: Network, program: Program, save: Save) -> int:
    parts: list[Tensor] = []
    joined, length = program.places[node.inputs[0]], math.prod(network.shapes[node.inputs[0]])
    parts.append(_numbered(network.shapes[node.inputs[0]]))
    for name in node.inputs[1:]:
        shape = network.shapes[name]
        parts.append(_numbered(shape, length))
        length += math.prod(shape)
        joined = program.add("join", length, joined, program.places[name])
    moved = torch.cat(parts, dim=node.dim)
    in_order = bool((moved.flatten() == torch.arange(1, length + 1)).all())
    return joined if in_order else _take(moved, joined, node.name, program, save)


def _flat(shift: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A shift for every element; whole numbers as such."""
    row = shift.expand(1, *shape).flatten().detach()
    return row.to(torch.int32) if bool((row == row.round()).all()) else row


def _copies(matrix: Tensor) -> bool:
    """Whether every row takes one element, or none."""
    return bool((((matrix == 0) | (matrix == 1)).all()) and bool((matrix.sum(1) <= 1).all()))


def _fire(
    name: str, site: Site, shape: tuple[int, ...], source: int, lowered: Portable, program: Program, save: Save
) -> int:
    rule, strict, number, reset = _rule(name, site.neuron)
    if bool(torch.as_tensor(site.extra_current).any()):
        raise CannotExport(f"the runners have no extra current, which layer {name!r} has")
    whole = lowered.bits is not None
    threshold = _row(site.threshold, shape)
    start = torch.cat([_row(site.initial_potential, shape), torch.tensor([reset], dtype=torch.float64)])
    first, second = (
        save(f"{name} {part}", row.round().to(torch.int32) if whole else row)
        for part, row in (("threshold", threshold), ("start", start))
    )
    size = math.prod(shape)
    return program.add("fire", size, source, strict, number, rule=rule, first=first, second=second)


Rule: TypeAlias = tuple[str, int, int, float]
"""How a population fires: the rule, whether the threshold must be passed, a bound of spikes, a reset's value."""


def _rule(name: str, neuron: Neuron) -> Rule:
    """The rule of a population's neurons."""
    if (rule := RULES.get(type(neuron))) is None:
        kind = neuron.manifest()["kind"]
        raise CannotExport(f"the runners have no neurons of the kind {kind!r}, which layer {name!r} has")
    return rule(neuron.manifest())


def _integrate_and_fire(neuron: Mapping[str, Any]) -> Rule:
    if neuron["reset"] == "subtract":
        return "subtract", _strict(neuron), 0, 0.0
    return "value", _strict(neuron), 0, float(neuron["reset_value"])


def _burst(neuron: Mapping[str, Any]) -> Rule:
    return "several", _strict(neuron), int(neuron["most"]), 0.0


def _signed(neuron: Mapping[str, Any]) -> Rule:
    return "either", _strict(neuron), int(neuron.get("most_total", 0)), 0.0


def _strict(neuron: Mapping[str, Any]) -> int:
    return int(neuron.get("fires_at") == ">")


RULES: Mapping[type[Neuron], Callable[[Mapping[str, Any]], Rule]] = {
    IntegrateFire: _integrate_and_fire,
    Burst: _burst,
    SignedIntegrateFire: _signed,
}
"""The rules of the neurons that the runners have, from what a manifest says of them."""


def _row(quantity: Quantity, shape: tuple[int, ...]) -> Tensor:
    """A quantity as one number, one for each channel, or one for each neuron, float64."""
    if not isinstance(quantity, Tensor):
        return torch.tensor([quantity], dtype=torch.float64)
    like = torch.zeros(1, *shape, dtype=torch.float64)
    broadcast = channelwise(torch.as_tensor(quantity, dtype=like.dtype, device=like.device), like.ndim)
    full = broadcast.expand_as(like).flatten(2)[0] if len(shape) > 1 else broadcast.expand_as(like)[0].unsqueeze(1)
    if bool((full == full.flatten()[0]).all()):
        return full.flatten()[:1].clone()
    return full[:, 0].clone() if bool((full == full[:, :1]).all()) else full.flatten().clone()
