"""`SpikingModule`: a spiking network as a `torch.nn.Module`, to train it on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from respike.engines.walk import TensorWalk
from respike.ir import Network, Node, map_tensors
from respike.plan import Plan, Site, SiteTensors, SpikeCount
from respike.record import OUTPUT
from respike.schedule import Phase
from respike.training.dynamics import Delivering, Population
from respike.training.surrogates import Surrogate

N = TypeVar("N", bound=Node)
_TRAINED = ("weight", "bias", "threshold", "spike_value")


class SpikingModule(nn.Module):
    """A network and its plan with parameters that can be trained; `SpikingNetwork.to_module` makes it.

    Weights and biases are parameters under the user's own names (`layer1.0.conv2.weight`), and so is the `threshold` of
    each population (`relu1.threshold`), which is its spike value too, unless the plan has another. Weights that nodes
    share stay shared. Constants, statistics, initial potentials and extra currents are buffers.

    `forward` takes images `[batch, *shape]` and gives what the `SpikingNetwork` gives, up to rounding.

    Args:
        network: the network.
        plan: what was chosen for it.
        surrogate: the derivative that stands for a spike's.
    """

    def __init__(self, network: Network, plan: Plan, surrogate: Surrogate) -> None:
        super().__init__()
        self._surrogate, self._plan = surrogate, plan
        self._sites = all_sites(plan)
        shared: dict[tuple[object, ...], nn.Parameter] = {}
        for node in network.nodes:
            for name, tensor in _tensors(node).items():
                identity = (tensor.data_ptr(), tensor.shape, tensor.stride())
                kept = shared.get(identity) if name in _TRAINED else None
                value = _keep(self, f"{node.name}.{name}", tensor if kept is None else kept)
                if isinstance(value, nn.Parameter):
                    shared[identity] = value
        for site_name, site in self._sites.items():
            for name in _fields(site):
                number = torch.as_tensor(getattr(site, name), dtype=network.dtype, device=network.device)
                _keep(self, f"{site_name}.{name}", number)
        skeleton = tuple(map_tensors(node, lambda tensor: tensor.to("meta")) for node in network.nodes)
        self._skeleton = dataclasses.replace(network, nodes=skeleton)

    @property
    def network(self) -> Network:
        """The network with a copy of the weights as they are now."""
        nodes = (
            map_tensors(self._filled(node), lambda tensor: tensor.detach().clone()) for node in self._skeleton.nodes
        )
        return dataclasses.replace(self._skeleton, nodes=tuple(nodes))

    @property
    def plan(self) -> Plan:
        """The plan with a copy of the thresholds as they are now."""
        sites = {}
        for name, site in self._sites.items():
            now: dict[str, Any] = {field: self._value(name, field).detach().clone() for field in _fields(site)}
            sites[name] = dataclasses.replace(site, **{"spike_value": now["threshold"]} | now)
        readout = self._plan.readout
        if isinstance(readout, SpikeCount):
            readout = dataclasses.replace(readout, site=sites.pop(OUTPUT))
        return dataclasses.replace(self._plan, sites=sites, readout=readout)

    def forward(self, images: Tensor) -> Tensor:
        """Outputs in the units of the network's own, `[batch, *shape]`."""
        return Forward(self._skeleton, self._plan, images, self._filled, self._population).outputs()

    def _population(self, name: str) -> Population:
        """A population at the start of a forward pass."""
        site = self._sites[name]
        numbers = {field: self._value(name, field) for field in _fields(site)}
        tensors = SiteTensors(**{"spike_value": numbers["threshold"]} | numbers)
        return Population(site.neuron, tensors, self._surrogate)

    def _filled(self, node: N) -> N:
        """A node with its tensors."""
        filled: dict[str, Any] = {field: self._value(node.name, field) for field in _tensors(node)}
        return dataclasses.replace(node, **filled)

    def _value(self, name: str, field: str) -> Tensor:
        value: Tensor = getattr(self.get_submodule(name), field)
        return value


class Forward(TensorWalk):
    """One forward pass: a chunk for each phase. `filled` gives nodes their tensors, `made` makes a population."""

    def __init__(
        self,
        network: Network,
        plan: Plan,
        images: Tensor,
        filled: Callable[[Node], Node],
        made: Callable[[str], Delivering],
    ) -> None:
        super().__init__(network, plan, images)
        self.filled, self.made = filled, made
        self.populations: dict[str, Delivering] = {}
        self.totals: list[Tensor] = []

    def outputs(self) -> Tensor:
        """The outputs after all steps, in the units of the network's own, `[batch, *shape]`."""
        self.run(longest=self.plan.schedule.steps)
        return torch.stack(self.totals).sum(0) / self.plan.output_decoding

    def value(self, node: Node, inputs: list[Tensor], phase: Phase, steps: int) -> Tensor:
        """The value of a node with its tensors."""
        return super().value(self.filled(node), inputs, phase, steps)

    def population(self, name: str, site: Site, current: Tensor, phase: Phase, steps: int) -> Tensor:
        """What the spikes of all steps deliver."""
        if name not in self.populations:
            self.populations[name] = self.made(name)
        return self.populations[name](current, steps, phase.bias_on)

    def read_out(self, delivered: Tensor, phase: Phase, steps: int) -> None:
        """The sum over the steps that the readout counts; only plans of one phase start it late."""
        late = self.plan.readout.after
        constant = len(delivered) < steps
        self.totals.append(delivered[0] * (steps - late) if constant else delivered[late:].sum(0))


def all_sites(plan: Plan) -> dict[str, Site]:
    """The sites, that of the output among them where it spikes."""
    return {**plan.sites, OUTPUT: plan.readout.site} if isinstance(plan.readout, SpikeCount) else dict(plan.sites)


def _fields(site: Site) -> tuple[str, ...]:
    """The numbers of a site that are its own."""
    same = torch.equal(torch.as_tensor(site.threshold), torch.as_tensor(site.value))
    return ("threshold", *(() if same else ("spike_value",)), "initial_potential", "extra_current")


def _tensors(node: Node) -> dict[str, Tensor]:
    """The tensors of a node by the names of their fields."""
    found = ((part.name, getattr(node, part.name)) for part in dataclasses.fields(node))
    return {name: value for name, value in found if isinstance(value, Tensor)}


def _keep(root: nn.Module, path: str, tensor: Tensor) -> Tensor:
    """Puts a tensor where its path says, as a parameter if it can be trained, else as a buffer."""
    *modules, name = path.split(".")
    for module in modules:
        if module not in dict(root.named_children()):
            root.add_module(module, nn.Module())
        root = root.get_submodule(module)
    if isinstance(tensor, nn.Parameter) or name in _TRAINED:
        value = tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor.detach().clone())
        root.register_parameter(name, value)
        return value
    root.register_buffer(name, tensor.detach().clone())
    return tensor
