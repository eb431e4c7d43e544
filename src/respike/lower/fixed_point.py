"""Fixed point: weights of a few bits, integer thresholds and potentials."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from respike.coding import Bernoulli, Coding, IntegrateEncoder
from respike.engines.integers import IntegerRun, run
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import (
    Activation,
    Add,
    BatchNorm,
    Conv,
    ElementwiseAffine,
    Input,
    Linear,
    Network,
    Node,
    Pad,
    batch_norm_scale,
    batch_norm_shift,
    map_tensors,
)
from respike.lower.regauge import Gauge, regauge
from respike.lower.unit_spikes import thresholds
from respike.lower.units import handed_on, shifts_only, uniform
from respike.passes import move_shifts
from respike.plan import Plan, Quantity, Site, SpikeCount
from respike.record import OUTPUT, Probe
from respike.typed import NETWORK, PLAN, check_kind

BITS = range(4, 17)
MEMBRANE_BITS = 24
"""Bits of a potential unless given."""
PIXEL = 1 / 255


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A conversion in integers.

    `network` and `plan` hold integers in float64, so every engine runs them (on `encode(images)`); `run` does the same
    with potentials of `membrane_bits`. Every spike delivers 1. `network` computes with its `plan`; as an ordinary
    network it means nothing, because thresholds are not in it.

    Args:
        network: weights of `bits`, biases of `membrane_bits`.
        plan: integer thresholds, initial potentials, extra currents.
        bits: of a weight, its sign among them.
        membrane_bits: of a potential, its sign among them.
        units: what a potential of 1 is in activation units, per population (one number, or one per channel), and
            under `OUTPUT` for the readout.
        input_unit: what an input of 1 is in the units of the images.
    """

    network: Network
    plan: Plan
    bits: int
    membrane_bits: int
    units: Mapping[str, Quantity]
    input_unit: float

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights of each layer as int32, by its name; of a scale in a shortcut (`source->reader`) the scale."""
        maps = {node.name: node for node in self.network.nodes if isinstance(node, Linear | Conv | ElementwiseAffine)}
        return {name: (m.scale if isinstance(m, ElementwiseAffine) else m.weight).int() for name, m in maps.items()}

    @property
    def biases(self) -> dict[str, Tensor]:
        """The biases as int32, of the layers that have some."""
        maps = {node.name: _bias(node) for node in self.network.nodes}
        return {name: bias.int() for name, bias in maps.items() if bias is not None}

    @property
    def thresholds(self) -> dict[str, Tensor]:
        """The thresholds as int32, by the population's name: one number, or one per channel."""
        return {name: torch.as_tensor(site.threshold).int() for name, site in self.plan.sites.items()}

    def encode(self, images: Tensor) -> Tensor:
        """Images as the network takes them: in units of `input_unit`, whole numbers where they are a current."""
        scaled = images.double() / self.input_unit
        return scaled if self.plan.coding.spiking else scaled.round()

    def decode(self, outputs: Tensor) -> Tensor:
        """Readouts after all steps in the units of the original network's outputs."""
        unit = 1.0 if isinstance(self.plan.readout, SpikeCount) else self.units[OUTPUT]
        return outputs * unit / self.plan.output_decoding

    def run(self, images: Tensor, probe: Probe | None = None, *, first_image: int = 0) -> IntegerRun:
        """Runs images (as the original network takes them) with saturating potentials; see `integers.run`."""
        encoded = self.encode(images)
        with torch.no_grad():
            return run(
                self.network, self.plan, encoded, probe, membrane_bits=self.membrane_bits, first_image=first_image
            )


def fixed_point(
    network: Network,
    plan: Plan,
    *,
    bits: int = 8,
    per_channel: bool = False,
    membrane_bits: int = MEMBRANE_BITS,
    input_unit: float | None = None,
) -> FixedPoint:
    """The conversion in integers: weights of `bits`, thresholds by the same scale.

    With unit spikes and unit thresholds, `W` the weights of all maps that feed a population, and
    `s = (2^(bits - 1) - 1) / max |W|`: `W' = round(s W)`, `b' = round(s b)`, `threshold' = round(s)`; initial
    potentials, extra currents and reset values likewise. One scale for a population, so that whatever sums up in it has
    the same; with `per_channel` one for each of its channels (the readout keeps one: outputs are compared). Average
    pools become sums, and their divisor goes into the weights behind them. Batch norms must have been folded.

    *Paper* (ECC section 4.4): weights normalised into [-1, 1], the threshold scaled by the same factor, then both times
    `2^b`. *As printed*, `2^b` makes weights of b + 1 bits and a sign. *As built*, `2^(b-1) - 1`, so that b bits hold
    every weight, its sign included. The published tool's newest version scales the threshold the wrong way round.

    Args:
        network: the network, its batch norms folded. The one that comes back is on the CPU.
        plan: its plan, with integrate-and-fire neurons.
        bits: of a weight, its sign among them; 4 to 16.
        per_channel: one scale for each channel of a population in place of one for the population.
        membrane_bits: of a potential, its sign among them; potentials saturate there.
        input_unit: what an input of 1 is in the units of the images. Given none, what an input spike delivers, or
            1 / 255 where the image is a current: pixels of 8 bits.

    Raises:
        InvalidOption: bits out of range, or a membrane too narrow for a threshold, a bias or an initial potential.
        InvalidPlan: what cannot be integer, naming the layer.
    """
    if bits not in BITS:
        raise InvalidOption(f"weights can have {BITS[0]} to {BITS[-1]} bits, got {bits}")
    if not 2 <= membrane_bits <= 32:
        raise InvalidOption(f"potentials can have 2 to 32 bits, got {membrane_bits}")
    check_kind("network", network, Network, NETWORK)
    check_kind("plan", plan, Plan, PLAN)
    plan.check(network)
    network, plan = plan.applied(network)
    unit = input_unit or _input_unit(plan.coding)
    whole = move_shifts(network.to("cpu").to(torch.float64))
    exact = replace(whole, nodes=tuple(_elementwise(node, whole) for node in whole.nodes))
    ones, unit_plan = regauge(exact, plan, Gauge(thresholds(plan), unit, sums=True))
    largest = _largest_weights(ones, per_channel)
    steps = {name: _plain(size / (2 ** (bits - 1) - 1)) for name, size in largest.items()}
    scaled, scaled_plan = regauge(ones, unit_plan, Gauge(steps))
    sites = {name: _rounded(name, site) for name, site in scaled_plan.sites.items()}
    readout = scaled_plan.readout
    if isinstance(readout, SpikeCount):
        site = _rounded(OUTPUT, replace(readout.site, spike_value=1.0))
        readout = replace(readout, site=replace(site, spike_value=readout.site.spike_value))
    units = {name: _product(steps[name], threshold) for name, threshold in thresholds(plan).items()}
    result = FixedPoint(
        network=replace(scaled, nodes=tuple(_integer(node) for node in scaled.nodes)),
        plan=replace(scaled_plan, sites=sites, readout=readout),
        bits=bits,
        membrane_bits=membrane_bits,
        units=units,
        input_unit=unit,
    )
    _check_widths(result)
    return result


def _largest_weights(network: Network, per_channel: bool) -> dict[str, Tensor]:
    """The largest weight that feeds each population and, under `OUTPUT`, the readout; a plain shortcut has weight 1.

    What carries no weights yet (spikes, the input) has a weight of 1; weights reset it; the rest hands it on.
    """
    sizes: dict[str, Tensor] = {}
    weighted: set[str] = set()
    found: dict[str, Tensor] = {}
    for node in network.nodes:
        shape = network.shapes[node.name]
        match node:
            case Input():
                sizes[node.name] = uniform(1.0, shape)
            case Activation():
                found[node.name] = _per_channel(sizes[node.inputs[0]]) if per_channel else sizes[node.inputs[0]].max()
                sizes[node.name] = uniform(1.0, shape)
            case ElementwiseAffine() if node.inputs[0] in weighted and shifts_only(node):
                sizes[node.name] = sizes[node.inputs[0]]
                weighted.add(node.name)
            case Linear() | Conv() | ElementwiseAffine():
                if node.inputs[0] in weighted:
                    raise InvalidPlan(
                        f"layer {node.name!r} reads {node.inputs[0]!r}, which has weights too, with no population "
                        "between them: fold one into the other (passes.fold_batchnorm)"
                    )
                sizes[node.name] = _row_sizes(node, shape)
                weighted.add(node.name)
            case _:
                shapes = [network.shapes[name] for name in node.inputs]
                size = _joined(node, [sizes[name] for name in node.inputs], shapes, shape)
                sizes[node.name] = size
                weighted.update({node.name} if weighted.intersection(node.inputs) else ())
    found[OUTPUT] = torch.stack([sizes[name].max() for name in network.outputs]).max()
    return {name: _alive(size) for name, size in found.items()}


def _joined(node: Node, sizes: list[Tensor], shapes: list[tuple[int, ...]], shape: tuple[int, ...]) -> Tensor:
    if isinstance(node, Add):
        return functools.reduce(torch.maximum, sizes)
    size = handed_on(node, sizes, shapes, shape)
    # A pool over different sizes: the largest of all is right, if not the finest.
    return uniform(float(sizes[0].max()), shape) if size is None else size


def _row_sizes(node: Linear | Conv | ElementwiseAffine, shape: tuple[int, ...]) -> Tensor:
    if isinstance(node, ElementwiseAffine):
        return node.scale.abs()  # which has all dimensions, as units have
    rows = node.weight.abs().flatten(1).amax(1)
    return rows.reshape((1,) * len(shape) + (-1,)) if isinstance(node, Linear) else uniform(rows, shape)


def _per_channel(size: Tensor) -> Tensor:
    """`[channels]`, or one number where all channels have it."""
    channels = size.movedim(1, 0).flatten(1).amax(1)
    return channels if len(channels) > 1 else channels[0]


def _alive(size: Tensor) -> Tensor:
    """Channels without weights take the layer's largest; a layer without weights takes 1."""
    return torch.where(size > 0, size, size.max() if bool(size.any()) else 1.0)


def _elementwise(node: Node, network: Network) -> Node:
    """A batch norm as a scale and a shift."""
    if not isinstance(node, BatchNorm):
        return node
    shape = network.shapes[node.name]
    scale, shift = (uniform(numbers, shape) for numbers in (batch_norm_scale(node), batch_norm_shift(node)))
    return ElementwiseAffine(node.name, node.inputs, scale, shift)


def _integer(node: Node) -> Node:
    if isinstance(node, Pad) and node.value != round(node.value):
        raise InvalidPlan(f"layer {node.name!r} pads with a value that is no integer there: pad with 0")
    return map_tensors(node, torch.round)


def _rounded(name: str, site: Site) -> Site:
    """The site with whole numbers."""

    def whole(quantity: Quantity) -> Quantity:
        return quantity.round() if isinstance(quantity, Tensor) else float(round(quantity))

    threshold = whole(site.threshold)
    if float(torch.as_tensor(threshold).min()) < 1:
        raise InvalidPlan(
            f"layer {name!r} has weights so much larger than its threshold that the threshold becomes 0: use more bits"
        )
    initial, extra = whole(site.initial_potential), whole(site.extra_current)
    return Site(threshold, 1.0, initial, extra, site.neuron.rounded())


def _check_widths(fixed: FixedPoint) -> None:
    """Every number that is added to a potential, or compared with one, fits into it."""
    sites = dict(fixed.plan.sites)
    if isinstance(fixed.plan.readout, SpikeCount):
        sites[OUTPUT] = fixed.plan.readout.site
    numbers = [
        (f"the {part.replace('_', ' ')} of layer {name!r}", getattr(site, part))
        for name, site in sites.items()
        for part in ("threshold", "initial_potential", "extra_current")
    ]
    numbers += [
        (f"a bias of layer {node.name!r}", bias)
        for node in fixed.network.nodes
        if (bias := _bias(node)) is not None and bias.numel()
    ]
    for what, quantity in numbers:
        largest = float(torch.as_tensor(quantity).abs().max())
        if largest > 2 ** (fixed.membrane_bits - 1) - 1:
            raise InvalidOption(
                f"{what} is {largest:.0f}, which a potential of {fixed.membrane_bits} bits cannot hold: "
                "use more membrane_bits or fewer bits"
            )


def _bias(node: Node) -> Tensor | None:
    match node:
        case Linear(bias=bias) | Conv(bias=bias):
            return bias
        case ElementwiseAffine(shift=shift):
            return shift if bool(shift.any()) else None
        case _:
            return None


def _input_unit(coding: Coding) -> float:
    match coding:
        case Bernoulli(spike_value=value) | IntegrateEncoder(threshold=value):
            return value
        case _:
            return PIXEL


def _plain(size: Tensor) -> Quantity:
    return float(size) if size.ndim == 0 else size


def _product(one: Quantity, other: Quantity) -> Quantity:
    return _plain(torch.as_tensor(one, dtype=torch.float64) * torch.as_tensor(other, dtype=torch.float64))
