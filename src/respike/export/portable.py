"""A conversion in the few kinds of nodes that all simulators know: convolutions, linear maps, pools, populations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

import torch
from torch import Tensor

from respike.coding import Bernoulli, Coding, IntegrateEncoder
from respike.errors import RespikeError
from respike.export.fusing import fuse_pools
from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    Add,
    BatchNorm,
    Conv,
    ElementwiseAffine,
    Linear,
    Network,
    Node,
    batch_norm_scale,
    batch_norm_shift,
    channelwise,
)
from respike.lower import FixedPoint
from respike.lower.pooling import summing
from respike.lower.regauge import Gauge, regauge
from respike.lower.unit_spikes import thresholds
from respike.plan import Plan, Quantity, Site, SpikeCount
from respike.record import OUTPUT
from respike.spiking import SpikingNetwork
from respike.typed import SPIKING, check_kind

Converted: TypeAlias = SpikingNetwork | FixedPoint
"""What can be exported: a converted network, in floats or in integers."""


class CannotExport(RespikeError):
    """The target has no word for something; the message says for what, and what to do."""


class Pooling(StrEnum):
    """How average pools are written."""

    SUM = "sum"
    """Sums; their divisors go into the weights behind them."""
    AVERAGE = "average"
    """Averages."""
    FUSED = "fused"
    """Not at all: one map with the convolution or linear map behind it. Where there is none, as sums."""


@dataclass(frozen=True, eq=False)
class Portable:
    """A conversion with spikes of 1, in its units.

    Args:
        network: with no batch norms and no scales, and `sums` in the place of averages.
        plan: thresholds of 1, or whole numbers.
        units: what a potential of 1 is in activation units, per population, and under `OUTPUT` for the readout.
        input_unit: the network takes `images / input_unit`.
        decoding: by what a readout is divided to be in the units of the original network's outputs.
        bits: of a weight, where weights are integers; else None.
        membrane_bits: of a potential, where it is an integer; else None.
    """

    network: Network
    plan: Plan
    units: Mapping[str, Quantity]
    input_unit: float
    decoding: float
    bits: int | None = None
    membrane_bits: int | None = None

    def encode(self, images: Tensor) -> Tensor:
        """Images as the network takes them, float64; a current is whole numbers where the network computes in integers.

        Args:
            images: as the original network takes them, `[batch, *shape]`.
        """
        scaled = images.double() / self.input_unit
        return scaled.round() if self.bits is not None and not self.plan.coding.spiking else scaled


def check_converted(converted: object) -> None:
    """Refuses what is no conversion, in floats or in integers."""
    if not isinstance(converted, FixedPoint):
        check_kind("converted", converted, SpikingNetwork, SPIKING)


def portable(converted: Converted, pooling: Pooling = Pooling.SUM, *, shifts: bool = False) -> Portable:
    """The conversion with unit spikes and unit thresholds (integers stay as they are), and scales as 1x1 convolutions.

    Not a spike changes, but where rounding of a weight flips a tie. Raises `InvalidPlan` for what cannot be lowered and
    `CannotExport` for what is not portable, naming the layer.

    Args:
        converted: the conversion, in floats or in fixed point.
        pooling: how average pools are written.
        shifts: keep shifts that differ from position to position (a bias of each neuron), in place of refusing them.
    """
    lowered = _lowered(converted, pooling)
    network = replace(
        lowered.network, nodes=tuple(_plain(node, lowered.network, shifts) for node in lowered.network.nodes)
    )
    network, sites = _extra_currents(network, lowered.plan.sites)
    if pooling is Pooling.FUSED:
        network = fuse_pools(network)
    return replace(lowered, network=network, plan=replace(lowered.plan, sites=sites))


def _lowered(converted: Converted, pooling: Pooling) -> Portable:
    match converted:
        case FixedPoint():
            if pooling is Pooling.AVERAGE:
                raise CannotExport("average pools do not give integers: use a target with sum pools")
            plan = converted.plan
            unit = 1.0 if isinstance(plan.readout, SpikeCount) else float(torch.as_tensor(converted.units[OUTPUT]))
            return Portable(
                converted.network,
                plan,
                converted.units,
                converted.input_unit,
                plan.output_decoding / unit,
                bits=converted.bits,
                membrane_bits=converted.membrane_bits,
            )
        case SpikingNetwork():
            network, plan = converted.plan.applied(converted.network)
            unit = _input_unit(plan.coding)
            exact = replace(network, nodes=tuple(_without_norm(node, network) for node in network.nodes))
            gauge = Gauge(thresholds(plan), unit, sums=pooling is not Pooling.AVERAGE)
            ones, unit_plan = regauge(exact, plan, gauge)
            return Portable(ones, unit_plan, thresholds(plan), unit, converted.decoding)


def _input_unit(coding: Coding) -> float:
    """What an input spike delivers; 1 where the image is a current."""
    match coding:
        case Bernoulli(spike_value=value) | IntegrateEncoder(threshold=value):
            return value
        case _:
            return 1.0


def _without_norm(node: Node, network: Network) -> Node:
    if not isinstance(node, BatchNorm):
        return node
    dimensions = len(network.shapes[node.name]) + 1
    scale, shift = (channelwise(part, dimensions) for part in (batch_norm_scale(node), batch_norm_shift(node)))
    return ElementwiseAffine(node.name, node.inputs, scale, shift)


def _plain(node: Node, network: Network, shifts: bool) -> Node:
    """Global pools as pools with windows; scales and shifts as linear maps or convolutions."""
    match node:
        case AdaptiveAvgPool():
            return replace(summing(node, network.shapes[node.inputs[0]]), divisor=None)
        case ElementwiseAffine() if shifts and is_shift(node) and any(n > 1 for n in node.shift.shape[2:]):
            return node
        case ElementwiseAffine():
            return _diagonal(node, network)
        case _:
            return node


def is_shift(node: Node) -> bool:
    """Whether a node only adds a constant to every element."""
    return isinstance(node, ElementwiseAffine) and bool((node.scale == 1).all())


def _diagonal(node: ElementwiseAffine, network: Network) -> Node:
    """A scale and a shift per channel as a diagonal linear map or 1x1 convolution."""
    shape = network.shapes[node.name]
    scale, shift = (
        part.reshape((1,) * (len(shape) + 1 - part.ndim) + tuple(part.shape)) for part in (node.scale, node.shift)
    )
    if shape != network.shapes[node.inputs[0]] or any(n > 1 for part in (scale, shift) for n in part.shape[2:]):
        raise CannotExport(
            f"layer {node.name!r} scales or shifts every position differently, which is no convolution: fold it into "
            "its neighbours (passes.fold_batchnorm), or leave out the zero padding behind it"
        )
    diagonal = scale.flatten().expand(shape[0]).diag()
    bias = shift.flatten().expand(shape[0]).contiguous() if bool(shift.any()) else None
    if len(shape) == 1:
        return Linear(node.name, node.inputs, diagonal, bias)
    ones = (1,) * (len(shape) - 1)
    weight = diagonal.reshape(*diagonal.shape, *ones)
    return Conv(node.name, node.inputs, weight, bias, ones, (0,) * len(ones), ones)


def _extra_currents(network: Network, sites: Mapping[str, Site]) -> tuple[Network, dict[str, Site]]:
    """Extra currents as biases of the maps in front: they are on when biases are."""
    nodes = {node.name: node for node in network.nodes}
    kept = dict(sites)
    for name, site in sites.items():
        if not bool(torch.as_tensor(site.extra_current).any()):
            continue
        carrier = _carrier(network, nodes, name)
        nodes[carrier.name] = replace(carrier, bias=_added(carrier, torch.as_tensor(site.extra_current)))
        kept[name] = replace(site, extra_current=0.0)
    return replace(network, nodes=tuple(nodes.values())), kept


def _carrier(network: Network, nodes: Mapping[str, Node], name: str) -> Linear | Conv:
    """The map whose bias can take the extra current of a population: it feeds nothing else."""
    node = nodes[name]
    assert isinstance(node, Activation)
    front = nodes[node.inputs[0]]
    candidates = [nodes[source] for source in front.inputs] if isinstance(front, Add) else [front]
    only = len(network.readers(front.name)) == 1 and front.name not in network.outputs
    for candidate in candidates:
        alone = len(network.readers(candidate.name)) == 1 and candidate.name not in network.outputs
        if only and alone and isinstance(candidate, Linear | Conv):
            return candidate
    raise CannotExport(
        f"layer {name!r} has an extra current and no map of its own in front whose bias could take it: use a method "
        "without extra currents, or put a 1x1 convolution there"
    )


def _added(carrier: Linear | Conv, current: Tensor) -> Tensor:
    given = current.to(carrier.weight.dtype)
    bias = given if carrier.bias is None else carrier.bias + given
    return bias.expand(len(carrier.weight)).contiguous()
