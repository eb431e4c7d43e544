"""The nodes of a portable conversion as nodes and edges of a NIR graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from respike.export.portable import CannotExport, Portable
from respike.ir import Activation, Add, AvgPool, Conv, Input, Linear, Node, Reshape
from respike.plan import Membrane, Site
from respike.record import OUTPUT

Array = npt.NDArray[Any]
_SEEN_AS = str.maketrans({".": "_", "/": "_", ">": "", "-": "_"})


def nir_name(name: str) -> str:
    """The name of a node in the graph: without what Python modules and HDF5 groups cannot be called."""
    return name.translate(_SEEN_AS)


class Wiring:
    """A graph under way. `reached` names, for each of our nodes, those of the graph whose outputs make up its value."""

    def __init__(self, lowered: Portable) -> None:
        import nir

        self.nir, self.lowered = nir, lowered
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.reached: dict[str, list[str]] = {}

    def graph(self, metadata: dict[str, str]) -> Any:
        """The whole graph."""
        network, readout = self.lowered.network, self.lowered.plan.readout
        for node in network.nodes:
            self._put(node)
        (last,) = network.outputs
        shape = network.shapes[last]
        sources = self.reached[last]
        if not isinstance(readout, Membrane):
            sources = [self._add(OUTPUT, self._population(readout.site, shape), sources)]
        end = "output" if "output" not in self.nodes else "output_node"
        self._add(end, self.nir.Output(output_type={"output": np.array(shape)}), sources)
        return self.nir.NIRGraph(self.nodes, self.edges, metadata=metadata, type_check=False)

    def _put(self, node: Node) -> None:
        network = self.lowered.network
        shape = network.shapes[node.name]
        before = network.shapes[node.inputs[0]] if node.inputs else ()
        match node:
            case Input():
                made = self.nir.Input(input_type={"input": np.array(shape)})
            case Linear() if len(before) == 1:
                made = self.nir.Affine(weight=_array(node.weight), bias=_bias(node))
            case Conv() if len(shape) in (2, 3):
                made = self._convolution(node, before)
            case AvgPool() if len(node.kernel) == 2:
                made = self._pool(node, before, shape)
            case Activation():
                made = self._population(self.lowered.plan.sites[node.name], shape)
            case Add():
                self.reached[node.name] = self._sum(node)
                return
            case Reshape() if before == shape:
                self.reached[node.name] = self.reached[node.inputs[0]]
                return
            case Reshape() if len(shape) == 1:
                made = self.nir.Flatten(input_type={"input": np.array(before)}, start_dim=0, end_dim=-1)
            case _:
                raise CannotExport(
                    f"layer {node.name!r} ({type(node).__name__} of {list(before)}) has no counterpart in NIR"
                    + _instead(node)
                )
        sources = [source for name in node.inputs for source in self.reached[name]]
        self.reached[node.name] = [self._add(node.name, made, sources)]

    def _add(self, name: str, made: Any, sources: Sequence[str]) -> str:
        own = nir_name(name)
        if own in self.nodes:
            raise CannotExport(f"layer {name!r} would be called {own!r} in NIR, as another is: rename one")
        self.nodes[own] = made
        self.edges += [(source, own) for source in sources]
        return own

    def _sum(self, node: Add) -> list[str]:
        shapes = {self.lowered.network.shapes[name] for name in node.inputs}
        sources = [source for name in node.inputs for source in self.reached[name]]
        if len(shapes) > 1:
            raise CannotExport(f"layer {node.name!r} adds values of different shapes, which NIR does not support")
        if len(set(sources)) < len(sources):
            raise CannotExport(f"layer {node.name!r} adds a value to itself, and NIR has one edge between two nodes")
        return sources

    def _convolution(self, node: Conv, before: tuple[int, ...]) -> Any:
        kind, plain = (self.nir.Conv2d, tuple) if len(before) == 3 else (self.nir.Conv1d, _only)
        return kind(
            input_shape=plain(before[1:]),
            weight=_array(node.weight),
            stride=plain(node.stride),
            padding=plain(node.padding),
            dilation=plain(node.dilation),
            groups=node.groups,
            bias=_bias(node),
        )

    def _pool(self, node: AvgPool, before: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        geometry = zip(before[1:], node.kernel, node.stride, node.padding, strict=True)
        sizes = [(size + 2 * padding - kernel) // stride + 1 for size, kernel, stride, padding in geometry]
        summed = node.divisor == 1
        averaged = node.divisor is None and (node.count_include_pad or not any(node.padding))
        if sizes != list(shape[1:]) or not (summed or averaged):
            raise CannotExport(
                f"layer {node.name!r} pools windows that hang over the border (ceil_mode, or padding that is not "
                "counted), which NIR's pools do not: pad the image so that windows fit"
            )
        kind = self.nir.SumPool2d if summed else self.nir.AvgPool2d
        numbers = (np.array(numbers) for numbers in (node.kernel, node.stride, node.padding))
        return kind(*numbers)

    def _population(self, site: Site, shape: tuple[int, ...]) -> Any:
        kind = self.lowered.network.dtype
        threshold = _filled(torch.as_tensor(site.threshold, dtype=kind), shape)
        value = site.neuron.manifest()["reset_value"] or 0.0
        return self.nir.IF(r=np.ones_like(threshold), v_threshold=threshold, v_reset=np.full_like(threshold, value))


def _filled(numbers: Tensor, shape: tuple[int, ...]) -> Array:
    """One number, or one per channel, for every neuron."""
    return _array(numbers.reshape(-1, *(1,) * (len(shape) - 1)).expand(shape))


def _array(values: Tensor) -> Array:
    return np.ascontiguousarray(values.detach().cpu().numpy())


def _bias(node: Linear | Conv) -> Array:
    return _array(node.weight.new_zeros(len(node.weight)) if node.bias is None else node.bias)


def _only(numbers: Sequence[int]) -> int:
    (number,) = numbers
    return number


def _instead(node: Node) -> str:
    kind = type(node).__name__
    if "MaxPool" in kind:
        return ": use average pooling"
    return ": only linear maps of one dimension, convolutions, average pools, flattening and sums of branches have"
