"""Calibration images on their way through a network and, side by side, through its spiking twin, layer by layer.

What a refinement needs is seen in the network that will run: each layer gets the spikes of the layers before it, which
are refined already. All steps of a population are run before the next population is looked at, so that one pass through
the network is enough. Means over time follow from the spikes' sums alone, because what is between populations is affine
or, as a max pool of accumulated currents, exact in total; so currents at every step are computed only to let a
population spike.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from respike.calibrate import Calibration, channel_axis, first_images
from respike.calibrate.over_time import Currents, behind, parts
from respike.engines.few_spikes import delivered
from respike.errors import InvalidPlan, OutsideFitWarning
from respike.ir import Activation, Network, Node, evaluate, walk
from respike.plan import AccumulatedMax, Plan, Site
from respike.schedule import InputThenDrain, Layerwise

_OUTSIDE = 1e-3
"""The share of inputs outside a fitted neuron's range from which on it is worth a warning."""


class Tried(Protocol):
    """Runs a population with each of some sites: what its spikes deliver, decoded, `[images, *shape]`."""

    def __call__(self, *sites: Site) -> list[Tensor]: ...


@dataclass(frozen=True, eq=False)
class Layer:
    """A population that is about to be run.

    Args:
        node: the activation that it stands for.
        site: its site in the plan.
        wanted: the input of the activation in the network, `[images, *shape]`.
        found: its mean input over time in the spiking network, in the same units.
        axis: the dimension of the shape in which its channels stand.
        last: whether outputs are read from its spikes, without another population between.
        tried: runs the population with each of some sites, on currents that are computed once.
        mean_currents: the mean of each channel's current in each step, `[steps, channels]`; `[1, channels]` where all
            steps have the same.
    """

    node: Activation
    site: Site
    wanted: Tensor
    found: Tensor
    axis: int
    last: bool
    tried: Tried
    mean_currents: Callable[[], Tensor]

    def sent(self, site: Site) -> Tensor:
        """What the spikes of the population deliver with a site."""
        return self.tried(site)[0]


Visit: TypeAlias = Callable[[Layer], Site]
"""What is done at a population: the site that it gets."""


@torch.no_grad()
def front_to_back(network: Network, plan: Plan, calibration: Calibration, images: int, visit: Visit) -> dict[str, Site]:
    """The sites that `visit` gives, each population seen while those before it spike with the sites that they got.

    Args:
        network: the network.
        plan: the plan, with a steady schedule or few-spikes neurons.
        calibration: images from the training set.
        images: how many of them are used, at most.
        visit: called for each population, front to back.
    """
    if isinstance(plan.schedule, InputThenDrain):
        raise InvalidPlan(
            "what is given back while a network drains would come twice: use a method with a steady schedule"
        )
    if plan.analog and not isinstance(plan.schedule, Layerwise):
        raise InvalidPlan(
            f"{plan.analog[0]!r} is evaluated in every step, so its plan cannot be refined layer by layer: use settle"
        )
    if not isinstance(plan.max_pooling, AccumulatedMax):
        raise InvalidPlan("means over time are exact with max_pooling=AccumulatedMax() only")
    given = network.check_inputs((first_images(network, calibration, images),))
    twin = _Twin(network, plan, given, visit)
    for _ in walk(network.nodes, twin.value, twin.given):
        pass
    return twin.sites


_Both: TypeAlias = tuple[Tensor, Tensor]
"""A value in the network, and the one in its spiking twin."""


class _Twin:
    """The spiking twin under way: the sites that its populations have got, and the spikes that they have sent."""

    def __init__(self, network: Network, plan: Plan, inputs: Mapping[str, Tensor], visit: Visit) -> None:
        self.sites = dict(plan.sites)
        self._network, self._plan, self._visit = plan.on(network), plan, visit
        ((name, images),) = inputs.items()
        stepped = not isinstance(plan.schedule, Layerwise)
        self._parts = parts(self._network, images, plan.coding, plan.schedule.steps) if stepped else []
        self._last_use = _last_use(self._network, plan)
        self._read_out = {node.name for node in behind(self._network, network.outputs)}
        coded = images
        if plan.coding.spiking:
            coded = torch.cat([part.mean_input() / plan.coding.gain for part in self._parts])
        self.given: Mapping[str, _Both] = {name: (images, coded)}

    def value(self, node: Node, inputs: list[_Both]) -> _Both:
        """The value of a node, in the network and in the twin."""
        exact = evaluate(node, [value for value, _ in inputs])
        if isinstance(node, Activation) and node.name in self.sites:
            (before,) = inputs
            return exact, self._populated(node, *before)
        return exact, evaluate(self._network[node.name], [value for _, value in inputs])

    def _populated(self, node: Activation, wanted: Tensor, found: Tensor) -> Tensor:
        """Lets a population spike, with the site that `visit` gives it."""
        currents = Currents(self._parts, behind(self._network, node.inputs))

        def tried(*sites: Site) -> list[Tensor]:
            return self._tried(node.name, currents, found, sites)

        def mean_currents() -> Tensor:
            if not self._parts:
                raise InvalidPlan(f"layer {node.name!r} takes its whole input at once: use each_step=False")
            return _mean(currents)

        site, axis, last = self.sites[node.name], channel_axis(self._network, node.name), node.name in self._read_out
        chosen = self._visit(Layer(node, site, wanted, found, axis, last, tried, mean_currents))
        self.sites[node.name] = chosen
        (sent,) = tried(chosen)
        for part in self._parts:
            part.layers.forget({source for source, last in self._last_use.items() if last == node.name})
        return sent

    def _tried(self, name: str, currents: Currents, found: Tensor, sites: Sequence[Site]) -> list[Tensor]:
        """What a population delivers with each of the sites; the spikes of the last one are kept."""
        if not self._parts:
            return [_delivered(name, site, found) for site in sites]
        sums = list[list[Tensor]]()
        for layers, current in currents:
            sums.append([layers.run(name, current, site) for site in sites])
        return [torch.cat(each) / self._plan.decoding for each in zip(*sums, strict=True)]


def _mean(currents: Currents) -> Tensor:
    """The mean current of each channel in each step, over images and positions."""
    total, images = torch.zeros(()), 0
    for _, current in currents:
        total = total + current.reshape(*current.shape[:3], -1).mean(3).sum(1)
        images += current.shape[1]
    return total / images


def _last_use(network: Network, plan: Plan) -> dict[str, str]:
    """For each population the last one whose currents are made of its spikes."""
    return {source.name: node.name for node in network.activations for source in behind(network, node.inputs)}


def _delivered(name: str, site: Site, current: Tensor) -> Tensor:
    """What neurons with a window deliver; warns where their input leaves the range that they were fitted to."""
    if site.neuron.domain is not None:
        numbers, (low, high) = site.like(current), site.neuron.domain
        potential = current + (numbers.initial_potential + numbers.extra_current)
        outside = float(((potential < low) | (potential > high)).double().mean())
        if outside > _OUTSIDE:
            warnings.warn(
                f"layer {name!r}: {100 * outside:.1f} % of its inputs are outside the range [{low:.3g}, {high:.3g}] "
                "that its neuron was fitted to: more steps keep the layers before it closer to the network",
                OutsideFitWarning,
                stacklevel=9,
            )
    return delivered(site, current)
