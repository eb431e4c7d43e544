"""The same conversion in other units: not a spike changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from respike.errors import InvalidPlan
from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ElementwiseAffine,
    Input,
    Linear,
    Network,
    Node,
    Pad,
    QuantisedReLU,
    ReLU,
    ceiling,
    tensors,
)
from respike.lower.pooling import divisor, summing
from respike.lower.sites import check_units, coding_in_unit, site_in_unit
from respike.lower.units import Weighted, along, asked_for, channel_dim, handed_on, same, takes, uniform
from respike.plan import Plan, Quantity, SpikeCount
from respike.record import OUTPUT

W = TypeVar("W", bound=Weighted)


@dataclass(frozen=True, eq=False)
class Gauge:
    """The units in which a conversion is to be written.

    Args:
        potentials: the unit of each population's potential, by its name, and under `OUTPUT` the readout's.
        image: the unit of the images; an input spike delivers this.
        sums: average pools become sums, and their divisors part of the units.
    """

    potentials: Mapping[str, Quantity]
    image: float = 1.0
    sums: bool = False


def regauge(network: Network, plan: Plan, gauge: Gauge) -> tuple[Network, Plan]:
    """The conversion with potentials in the units of `gauge`, and every spike delivering 1.

    Weights take the units of what they read, and give what is asked for behind them: `W' = W · unit_in / unit_out`,
    `b' = b / unit_out`. Where no weights stand between (an identity shortcut into a sum, a population behind a
    population), an `ElementwiseAffine` named `source->reader` converts. Raises `InvalidPlan` for what has no units.
    """
    check_units(plan)
    device, network = network.device, network.to("cpu")  # where units are
    rewriting = _Rewriting(network, plan, gauge)
    for node in network.nodes:
        rewriting.put(node)
    outputs = tuple(rewriting.in_unit(name, rewriting.output_unit(name), OUTPUT) for name in network.outputs)
    sites = {name: site_in_unit(name, site, gauge.potentials[name]) for name, site in plan.sites.items()}
    readout = plan.readout
    if isinstance(readout, SpikeCount):
        # What an output spike is worth stays: it decodes the readout into the units of the network's outputs.
        site = site_in_unit(OUTPUT, readout.site, gauge.potentials[OUTPUT])
        readout = replace(readout, site=replace(site, spike_value=readout.site.spike_value))
    lowered = replace(network, nodes=tuple(rewriting.nodes.values()), outputs=outputs).to(device)
    return lowered, replace(plan, sites=sites, readout=readout, coding=coding_in_unit(plan.coding, gauge.image))


class _Rewriting:
    """The nodes rewritten so far, and the units of their values."""

    def __init__(self, network: Network, plan: Plan, gauge: Gauge) -> None:
        self.network = network
        self.plan = plan
        self.gauge = gauge
        self.nodes: dict[str, Node] = {}
        self.units: dict[str, Tensor] = {}
        self.asked = self._asked()

    def output_unit(self, name: str) -> Tensor:
        return uniform(self.gauge.potentials[OUTPUT], self.network.shapes[name])

    def put(self, node: Node) -> None:
        """Rewrites one node; those that it reads are there already."""
        shape = self.network.shapes[node.name]
        match node:
            case Input():
                self._add(node, uniform(self.gauge.image, shape))
            case Activation():
                source = self.in_unit(node.inputs[0], uniform(self.gauge.potentials[node.name], shape), node.name)
                value = torch.as_tensor(self.plan.sites[node.name].value, dtype=torch.float64)
                # A ceiling that differs from channel to channel cannot be said; the plan has been held to it.
                function = ReLU(ceiling(node.function) / float(value)) if value.ndim == 0 else ReLU()
                if isinstance(node.function, QuantisedReLU) and value.ndim == 0:
                    function = replace(node.function, ceiling=function.ceiling)
                self._add(replace(node, inputs=(source,), function=function), uniform(value, shape))
            case Linear() | Conv() | BatchNorm() | ElementwiseAffine():
                self._weights(node)
            case _:
                self._handed_on(node)

    def in_unit(self, source: str, unit: Tensor, reader: str) -> str:
        """The name of the value of `source` in a unit; where it has another, a node that converts is put."""
        if same(self.units[source], unit):
            return source
        scale = (self.units[source] / unit).to(self.network.dtype)
        node = ElementwiseAffine(f"{source}->{reader}", (source,), scale, torch.zeros_like(scale))
        if node.name not in self.nodes:
            self._add(node, unit)
        return node.name

    def _add(self, node: Node, unit: Tensor) -> None:
        self.nodes[node.name] = node
        self.units[node.name] = unit

    def _weights(self, node: Weighted) -> None:
        (source,) = node.inputs
        shape, out = self.network.shapes[source], self.network.shapes[node.name]
        if len(shape) != len(out) or (isinstance(node, ElementwiseAffine) and node.scale.ndim > len(shape) + 1):
            raise InvalidPlan(f"layer {node.name!r} adds dimensions to its input: reshape it before")
        if not takes(node, self.units[source], shape):
            source = self.in_unit(source, uniform(1.0, shape), node.name)
        unit = self.asked.get(node.name)
        if unit is None or not takes(node, unit, out):
            unit = uniform(1.0, out)
        self._add(_rescaled(replace(node, inputs=(source,)), self.units[source], unit, shape, out), unit)

    def _handed_on(self, node: Node) -> None:
        shapes = [self.network.shapes[name] for name in node.inputs]
        shape = self.network.shapes[node.name]
        if len({len(s) for s in shapes}) > 1:
            raise InvalidPlan(f"layer {node.name!r} reads values of different ranks: reshape them before")
        sources = list(node.inputs)
        unit = handed_on(node, [self.units[name] for name in sources], shapes, shape)
        asked = self.asked.get(node.name)
        # A concatenation converts its parts, not their whole: what comes from weights has the right unit already.
        if unit is None or (isinstance(node, Concat) and asked is not None and not same(unit, asked)):
            for number, name in enumerate(sources):
                wanted = asked_for(node, asked, number, shapes, shape) if asked is not None else None
                if wanted is None:
                    wanted = uniform(1.0, shapes[number])
                sources[number] = self.in_unit(name, wanted, node.name)
            unit = handed_on(node, [self.units[name] for name in sources], shapes, shape)
        if unit is None:
            raise InvalidPlan(f"layer {node.name!r} mixes values in different units")
        if isinstance(node, Pad) and node.value:
            node = replace(node, value=node.value / float(unit))
        if isinstance(node, AvgPool | AdaptiveAvgPool) and self.gauge.sums:
            unit = unit / divisor(node, shapes[0])
            node = summing(node, shapes[0])
        self._add(replace(node, inputs=tuple(sources)), unit)  # type: ignore[arg-type]

    def _asked(self) -> dict[str, Tensor]:
        """The unit that the readers of each value ask for, where they agree; from the populations backward."""
        asked: dict[str, Tensor] = {}
        for node in reversed(self.network.nodes):
            asks = [self.output_unit(node.name)] if node.name in self.network.outputs else []
            for reader in self.network.readers(node.name):
                asks += self._asks(reader, node.name, asked)
            if asks and all(same(asks[0], other) for other in asks[1:]):
                asked[node.name] = asks[0]
        return asked

    def _asks(self, reader: Node, name: str, asked: Mapping[str, Tensor]) -> list[Tensor]:
        shapes = [self.network.shapes[source] for source in reader.inputs]
        if isinstance(reader, Activation):
            return [uniform(self.gauge.potentials[reader.name], shapes[0])]
        if (unit := asked.get(reader.name)) is None or len({len(s) for s in shapes}) > 1:
            return []
        if isinstance(reader, AvgPool | AdaptiveAvgPool) and self.gauge.sums:
            unit = unit * divisor(reader, shapes[0])
        numbers = [number for number, source in enumerate(reader.inputs) if source == name]
        found = [asked_for(reader, unit, number, shapes, self.network.shapes[reader.name]) for number in numbers]
        return [unit for unit in found if unit is not None]


def _rescaled(node: Weighted, old: Tensor, new: Tensor, shape: tuple[int, ...], out: tuple[int, ...]) -> Node:
    """The same map, reading `old` units and giving `new` ones."""
    if isinstance(node, ElementwiseAffine):
        return _typed(node, scale=node.scale.double() * old / new, shift=node.shift.double() / new)
    taken, given = along(old, channel_dim(node, shape), shape), along(new, channel_dim(node, out), out)
    bias = None if node.bias is None else node.bias.double() / given
    if isinstance(node, BatchNorm):
        weight = torch.ones_like(taken) if node.weight is None else node.weight.double()
        return _typed(node, mean=node.mean.double() / taken, weight=weight * taken / given, bias=bias)
    groups = node.groups if isinstance(node, Conv) else 1
    inputs = node.weight.shape[1]
    # Output o of group g reads the channels of group g: [out, in / groups].
    per_weight = taken.reshape(groups, inputs).repeat_interleave(len(given) // groups, 0) / given.unsqueeze(1)
    weight = node.weight.double() * per_weight.reshape(*per_weight.shape, *(1,) * (node.weight.ndim - 2))
    return _typed(node, weight=weight, bias=bias)


def _typed(node: W, **changed: Tensor | None) -> W:
    """The node with some tensors replaced, in the type that it had."""
    kind = next(tensors(node)).dtype
    given: dict[str, Any] = {k: None if v is None else v.to(kind).contiguous() for k, v in changed.items()}
    return dataclasses.replace(node, **given)
