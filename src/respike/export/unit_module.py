"""The unit-spike lowering as plain torch layers, as harnesses that look into modules (NeuroBench) want it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from respike.coding import ConstantCurrent
from respike.engines.walk import Walk
from respike.export.portable import CannotExport, Converted, Pooling, Portable, portable
from respike.ir import (
    Activation,
    Add,
    Affine,
    Analog,
    AvgPool,
    Conv,
    Input,
    Linear,
    Network,
    Node,
    Reshape,
    channelwise,
)
from respike.ir import Pooling as MaxPooling
from respike.neurons import State
from respike.plan import Site, SpikeCount
from respike.record import OUTPUT
from respike.schedule import Phase

_CONV: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class UnitIntegrateFire(nn.Module):
    """A population with spikes of 1, one time step a call; its potential lives until `reset`.

    NeuroBench counts it with `model.add_activation_module(UnitIntegrateFire)`.
    """

    def __init__(self, site: Site, dtype: torch.dtype) -> None:
        super().__init__()
        self.neuron = site.neuron
        self.register_buffer("threshold", torch.as_tensor(site.threshold, dtype=dtype))
        self.register_buffer("initial_potential", torch.as_tensor(site.initial_potential, dtype=dtype))
        self.reset()

    def reset(self) -> None:
        """Back to the initial potential."""
        self._state: State | None = None

    def forward(self, current: Tensor) -> Tensor:
        """The amplitudes of one step, `[batch, *shape]`: 0 or 1 of most neurons."""
        threshold, initial = (
            channelwise(self.get_buffer(name), current.ndim) for name in ("threshold", "initial_potential")
        )
        if self._state is None:
            self._state = self.neuron.start(initial.expand_as(current))
        self._state, spikes = self.neuron.step(self._state, current, threshold)
        return spikes


class UnitModule(nn.Module):
    """A converted network as `nn.Linear` and `nn.Conv` children, and `UnitIntegrateFire` between them.

    Every spike is 1 and average pools are part of the maps behind them, so that all maps but the first read zeros and
    ones alone. `forward` takes images `[batch, *shape]`, runs all steps, and gives what the `SpikingNetwork` gives, up
    to rounding. Maps of the image itself are computed once per image: their input does not change.

    Raises `CannotExport` for what is not portable and for input codings other than `ConstantCurrent`.
    """

    def __init__(self, converted: Converted) -> None:
        super().__init__()
        lowered = portable(converted, Pooling.FUSED)
        if lowered.plan.coding != ConstantCurrent():
            raise CannotExport("only the image as a current (ConstantCurrent) is the same in every step")
        biased = [node.name for node in lowered.network.nodes if getattr(node, "bias", None) is not None]
        if biased and not all(phase.bias_on for phase in lowered.plan.schedule.phases):
            raise CannotExport(
                f"the bias of {biased[0]!r} stops while draining, which that of a plain layer cannot: "
                "use a steady schedule"
            )
        self._lowered = lowered
        self._keys = {node.name: f"{i}_{node.name.replace('.', '_')}" for i, node in enumerate(lowered.network.nodes)}
        self.layers = nn.ModuleDict()
        sites = dict(lowered.plan.sites)
        for node in lowered.network.nodes:
            if isinstance(node, Linear | Conv):
                self.layers[self._keys[node.name]] = _layer(node)
            elif isinstance(node, Activation):
                self.layers[self._keys[node.name]] = UnitIntegrateFire(sites[node.name], lowered.network.dtype)
        readout = lowered.plan.readout
        self.readout = (
            UnitIntegrateFire(readout.site, lowered.network.dtype) if isinstance(readout, SpikeCount) else None
        )

    def forward(self, images: Tensor) -> Tensor:
        """Outputs in the units of the network's own, `[batch, *shape]`."""
        plan = self._lowered.plan
        for child in self.modules():
            if isinstance(child, UnitIntegrateFire):
                child.reset()
        forward = _Forward(self, self._lowered, images)
        forward.run(longest=1)
        readout = plan.readout
        spike_value = torch.as_tensor(readout.site.value if isinstance(readout, SpikeCount) else 1.0)
        total = forward.total
        return total / self._lowered.decoding * channelwise(spike_value.to(total), total.ndim)

    def layer(self, name: str) -> nn.Module:
        """The layer of a node, or of the output neurons."""
        return self.readout if name == OUTPUT and self.readout is not None else self.layers[self._keys[name]]


class _Forward(Walk[Tensor]):
    """One forward pass, step by step; values are `[batch, *shape]`."""

    def __init__(self, module: UnitModule, lowered: Portable, images: Tensor) -> None:
        super().__init__(lowered.network, lowered.plan)
        self.module, self.lowered, self.images = module, lowered, images
        self.constant = _constant(lowered.network)
        self.constants: dict[tuple[str, bool], Tensor] = {}
        self.total = torch.zeros(())
        self.step = 0

    def value(self, node: Node, inputs: list[Tensor], phase: Phase, steps: int) -> Tensor:
        """The value of a node; those of the image alone are computed once."""
        if node.name not in self.constant:
            return super().value(node, inputs, phase, steps)
        key = (node.name, phase.input_on)
        if key not in self.constants:
            self.constants[key] = super().value(node, inputs, phase, steps)
        return self.constants[key]

    def plus(self, current: Tensor, transient: Tensor) -> Tensor:
        """Lowered networks have no transients."""
        raise CannotExport("plain layers of torch have no transients")

    def entry(self, phase: Phase, steps: int) -> Tensor:
        """The image in its unit."""
        given = self.images if phase.input_on else torch.zeros_like(self.images)
        encoded = given / self.lowered.input_unit
        return encoded if self.lowered.bits is None else encoded.round()

    def map(self, node: Affine, inputs: list[Tensor], phase: Phase) -> Tensor:
        """A plain layer."""
        match node:
            case Linear() | Conv():
                value: Tensor = self.module.layer(node.name)(inputs[0])
                return value
            case AvgPool() if len(node.kernel) == 2:
                return F.avg_pool2d(
                    inputs[0], node.kernel, node.stride, node.padding, node.ceil_mode, divisor_override=node.divisor
                )
            case Add():
                return sum(inputs[1:], start=inputs[0])
            case Reshape():
                return inputs[0].reshape(len(inputs[0]), *node.shape)
            case _:
                raise _no_layer(node)

    def population(self, name: str, site: Site, current: Tensor, phase: Phase, steps: int) -> Tensor:
        """One step of a population."""
        spikes: Tensor = self.module.layer(name)(current)
        return spikes

    def pool(self, node: MaxPooling, current: Tensor, steps: int) -> Tensor:
        """There is none."""
        raise _no_layer(node)

    def evaluated(self, node: Analog | Activation, inputs: list[Tensor], steps: int) -> Tensor:
        """There is none."""
        raise _no_layer(node)

    def read_out(self, delivered: Tensor, phase: Phase, steps: int) -> None:
        """Adds what is delivered once the readout has started."""
        self.step += 1
        if self.step > self.plan.readout.after:
            self.total = self.total + delivered


def _no_layer(node: Node) -> CannotExport:
    return CannotExport(f"layer {node.name!r} ({type(node).__name__}) has no plain layer of torch here")


def _constant(network: Network) -> set[str]:
    """The nodes that depend on the image alone."""
    found: set[str] = set()
    for node in network.nodes:
        if isinstance(node, Input) or (not isinstance(node, Activation) and found.issuperset(node.inputs)):
            found.add(node.name)
    return found


def _layer(node: Linear | Conv) -> nn.Module:
    weight = node.weight
    made: Any
    if isinstance(node, Linear):
        made = nn.Linear(weight.shape[1], weight.shape[0], bias=node.bias is not None)
    else:
        made = _CONV[weight.ndim - 2](
            weight.shape[1] * node.groups,
            weight.shape[0],
            weight.shape[2:],
            node.stride,
            node.padding,
            node.dilation,
            node.groups,
            bias=node.bias is not None,
        )
    made.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if node.bias is not None:
        made.bias = nn.Parameter(node.bias.detach().clone(), requires_grad=False)
    layer: nn.Module = made
    return layer
