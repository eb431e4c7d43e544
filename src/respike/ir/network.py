"""`Network`: a checked, immutable graph of nodes that can be run as it is."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from respike.errors import InvalidData, InvalidNetwork
from respike.ir.evaluate import evaluate, map_tensors, tensors
from respike.ir.nodes import Activation, FixedLinear, GroupNorm, Input, Node
from respike.ir.shapes import infer_shape
from respike.ir.walk import walk
from respike.summarised import Summarised, listed

_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


@dataclass(frozen=True, eq=False, repr=False)
class Network(Summarised):
    """A feed-forward network, which may have several inputs and several outputs.

    `shapes` (computed) gives every node's per-sample shape.

    Args:
        nodes: in an order in which each reads only earlier ones.
        outputs: the names of the nodes whose values are the result.
        origin: where the network came from.

    Raises:
        InvalidNetwork: names that clash, a node that reads what is not there, or shapes that do not fit.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    origin: str = ""
    shapes: Mapping[str, tuple[int, ...]] = field(init=False)
    _by_name: Mapping[str, Node] = field(init=False)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for node in self.nodes:
            if node.name in seen:
                raise InvalidNetwork(f"two nodes are named {node.name!r}")
            if missing := [name for name in node.inputs if name not in seen]:
                raise InvalidNetwork(f"node {node.name!r} reads {missing[0]!r}, which no earlier node gives")
            seen.add(node.name)
        if missing := [name for name in self.outputs if name not in seen]:
            raise InvalidNetwork(f"output {missing[0]!r} is not a node")
        if not self.outputs or not any(isinstance(node, Input) for node in self.nodes):
            raise InvalidNetwork("a network needs at least one input and one output")
        object.__setattr__(self, "shapes", _infer_shapes(self.nodes))
        object.__setattr__(self, "_by_name", {node.name: node for node in self.nodes})

    def _summary(self) -> tuple[str, dict[str, str]]:
        kinds = Counter(type(node).__name__ for node in self.nodes if not isinstance(node, Input))
        neurons = sum(self.neurons(node.name) for node in self.activations)
        activations = [node.name for node in self.activations]
        return f"Network {self.origin}".rstrip(), {
            "inputs": listed(f"{node.name} {list(node.shape)}" for node in self.inputs),
            "nodes": ", ".join(f"{count} {kind}" for kind, count in kinds.items()),
            "weights": f"{self.parameters:,}",
            "neurons": f"{neurons:,} in {len(activations)} activations ({listed(activations)})",
            "outputs": listed(f"{name} {list(self.shapes[name])}" for name in self.outputs),
        }

    def __getitem__(self, name: str) -> Node:
        """The node of that name."""
        return self._by_name[name]

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The input nodes, in order."""
        return tuple(node for node in self.nodes if isinstance(node, Input))

    @property
    def activations(self) -> tuple[Activation, ...]:
        """The activations, in order: where spiking neurons will stand."""
        return tuple(node for node in self.nodes if isinstance(node, Activation))

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the weights."""
        return torch.get_default_dtype() if self._weight is None else self._weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device("cpu") if self._weight is None else self._weight.device

    @cached_property
    def _weight(self) -> Tensor | None:
        """The first tensor of a node, which the others are like."""
        return next((tensor for node in self.nodes for tensor in tensors(node)), None)

    @property
    def parameters(self) -> int:
        """The number of weights, biases and statistics; what is shared counts once."""
        trained = (node for node in self.nodes if not isinstance(node, FixedLinear))
        distinct = {(t.data_ptr(), t.numel()): t.numel() for node in trained for t in tensors(node) if t.numel()}
        return sum(distinct.values())

    def kind(self, name: str) -> str:
        """A node's type, as messages call it: a `GroupNorm` with a group for each channel is an `InstanceNorm`."""
        node = self[name]
        if isinstance(node, GroupNorm) and node.groups == self.shapes[name][0] > 1:
            return "InstanceNorm"
        return type(node).__name__

    def neurons(self, name: str) -> int:
        """The number of elements of a node's value for one sample."""
        return math.prod(self.shapes[name])

    def readers(self, name: str) -> tuple[Node, ...]:
        """The nodes that read the value of `name`."""
        return tuple(node for node in self.nodes if name in node.inputs)

    def to(self, target: torch.dtype | torch.device | str) -> Network:
        """The same network with its tensors in another type or on another device; what nodes share stays shared."""
        moved: dict[int, Tensor] = {}

        def move(tensor: Tensor) -> Tensor:
            if id(tensor) not in moved:
                moved[id(tensor)] = tensor.to(target)
            return moved[id(tensor)]

        return dataclasses.replace(self, nodes=tuple(map_tensors(node, move) for node in self.nodes))

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The network's first output for a batch `[batch, *shape]` of each input."""
        return self.values(inputs, keep=self.outputs[:1])[self.outputs[0]]

    def values(self, inputs: Iterable[Tensor], keep: Iterable[str]) -> dict[str, Tensor]:
        """The values of the nodes named by `keep`; all others are let go as soon as nobody reads them."""
        wanted = set(keep)
        return {node.name: value for node, value in self.stream(inputs) if node.name in wanted}

    def stream(self, inputs: Iterable[Tensor]) -> Iterator[tuple[Node, Tensor]]:
        """Every node with its value, one after the other, holding no value longer than it is needed."""
        return walk(self.nodes, evaluate, self.check_inputs(tuple(inputs)))

    def check_inputs(self, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The inputs by node name, in the network's type and on its device: the one check that all who run it make.

        A network without weights has neither: it takes its inputs as they are, in float32 at least.

        Raises `InvalidData` where an input is no batch of the right shape, is empty, or is NaN or infinite somewhere.
        """
        if len(inputs) != len(self.inputs):
            fix = "; to convert it, join them by respike.passes.join_inputs(network)" if len(self.inputs) > 1 else ""
            raise InvalidData(f"the network has {len(self.inputs)} inputs, {len(inputs)} were given{fix}")
        weight, given = self._weight, {}
        for node, value in zip(self.inputs, inputs, strict=True):
            _check_batch(node, value)
            if weight is None:
                given[node.name] = value.to(torch.promote_types(value.dtype, torch.get_default_dtype()))
            else:
                given[node.name] = value.to(weight.device, weight.dtype)
            if math.isfinite(given[node.name].sum(dtype=torch.float64)):
                continue
            wrong = ~torch.isfinite(given[node.name]).flatten(1).all(1)
            if bool(wrong.any()):  # a sum of finite values may be infinite
                raise InvalidData(
                    f"input {node.name!r} has NaN or infinite values, first in image {int(wrong.int().argmax())} of "
                    "the batch: leave such images out, or repair them"
                )
        return given

    def check_labels(self, labels: Tensor, images: int) -> None:
        """Raises `InvalidData` unless `labels` `[images]` are whole numbers that name classes of the first output."""
        shape = self.shapes[self.outputs[0]]
        if len(shape) != 1:
            raise InvalidData(f"labels need an output with one value per class, but the output has shape {list(shape)}")
        if not isinstance(labels, Tensor) or labels.dtype not in _WHOLE or tuple(labels.shape) != (images,):
            found = f"{labels.dtype} {list(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
            raise InvalidData(f"labels must be integers, one for each of {images} images, got {found}")
        least, most = int(labels.min()), int(labels.max())
        if not 0 <= least <= most < shape[0]:
            raise InvalidData(f"labels must be from 0 to {shape[0] - 1}, the network's classes, got {least} to {most}")


def _check_batch(node: Input, value: object) -> None:
    if not isinstance(value, Tensor) or value.is_complex():
        kind = str(value.dtype) if isinstance(value, Tensor) else type(value).__name__
        raise InvalidData(f"input {node.name!r} takes a tensor of real numbers, got {kind}")
    if tuple(value.shape[1:]) != node.shape or not value.ndim:
        raise InvalidData(
            f"input {node.name!r} takes a batch of shape [batch, {', '.join(map(str, node.shape))}], "
            f"got {list(value.shape)}"
        )
    if not len(value):
        raise InvalidData(f"input {node.name!r} takes at least one image, got a batch of none")


def _infer_shapes(nodes: tuple[Node, ...]) -> dict[str, tuple[int, ...]]:
    """The shape of every node's value, from the inputs on."""
    shapes: dict[str, tuple[int, ...]] = {}
    for node in nodes:
        if isinstance(node, Input):
            shapes[node.name] = node.shape
            continue
        given = [shapes[name] for name in node.inputs]
        try:
            shapes[node.name] = infer_shape(node, given)
        except (RuntimeError, IndexError, ValueError) as error:
            listed = " and ".join(str(list(shape)) for shape in given)
            reason = str(error).splitlines()[0]
            raise InvalidNetwork(
                f"layer {node.name!r} ({type(node).__name__}) cannot take {listed}: {reason}"
            ) from error
    return shapes
