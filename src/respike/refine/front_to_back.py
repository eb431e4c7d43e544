"""Calibration images on their way through a network and, side by side, through its spiking twin, layer by layer.

What a refinement needs is seen in the network that will run: each layer gets the spikes of the layers before it, which
are refined already. All steps of a population are run before the next population is looked at, so that one pass through
the network is enough. Means over time follow from the spikes' sums alone, because what is between populations is affine
or, as a max pool of accumulated currents, exact in total; so currents at every step are computed only to let a
population spike.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from respike.calibrate import Calibration, first_images
from respike.calibrate.over_time import behind, parts
from respike.errors import InvalidPlan, OutsideFitWarning
from respike.ir import Activation, Network, Node, evaluate, walk
from respike.plan import AccumulatedMax, Plan, Site
from respike.schedule import InputThenDrain, Layerwise

_OUTSIDE = 1e-3
"""The share of inputs outside a fitted neuron's range from which on it is worth a warning."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A population that is about to be run.

    Args:
        node: the activation that it stands for.
        site: its site in the plan.
        wanted: the input of the activation in the network, `[images, *shape]`.
        found: its mean input over time in the spiking network, in the same units.
        sent: runs the population with a site: what its spikes deliver, decoded, `[images, *shape]`.
    """

    node: Activation
    site: Site
    wanted: Tensor
    found: Tensor
    sent: Callable[[Site], Tensor]


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
        self._network, self._plan, self._visit = network, plan, visit
        ((name, images),) = inputs.items()
        stepped = not isinstance(plan.schedule, Layerwise)
        self._parts = list(parts(network, images, plan.coding, plan.schedule.steps)) if stepped else []
        self._last_use = _last_use(network, plan)
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
        return exact, evaluate(node, [value for _, value in inputs])

    def _populated(self, node: Activation, wanted: Tensor, found: Tensor) -> Tensor:
        """Lets a population spike, with the site that `visit` gives it."""

        def sent(site: Site) -> Tensor:
            return self._sent(node, site, found)

        self.sites[node.name] = self._visit(Layer(node, self.sites[node.name], wanted, found, sent))
        delivered = sent(self.sites[node.name])
        for part in self._parts:
            part.forget({source for source, last in self._last_use.items() if last == node.name})
        return delivered

    def _sent(self, node: Activation, site: Site, current: Tensor) -> Tensor:
        if not self._parts:
            return _delivered(node.name, site, current)
        nodes = behind(self._network, node)
        values = [part.run(node.name, part.current(nodes, self.sites), site) for part in self._parts]
        return torch.cat(values) / self._plan.decoding


def _last_use(network: Network, plan: Plan) -> dict[str, str]:
    """For each population the last one whose currents are made of its spikes."""
    return {source.name: node.name for node in network.activations for source in behind(network, node)}


def _delivered(name: str, site: Site, current: Tensor) -> Tensor:
    """What neurons with a window deliver; warns where their input leaves the range that they were fitted to."""
    numbers, neuron = site.like(current), site.neuron
    potential = current + numbers.initial_potential + numbers.extra_current
    if neuron.domain is not None:
        low, high = neuron.domain
        outside = float(((potential < low) | (potential > high)).double().mean())
        if outside > _OUTSIDE:
            warnings.warn(
                f"layer {name!r}: {100 * outside:.1f} % of its inputs are outside the range [{low:.3g}, {high:.3g}] "
                "that its neuron was fitted to: more steps keep the layers before it closer to the network",
                OutsideFitWarning,
                stacklevel=9,
            )
    _, _, delivered = neuron.fire_window(potential, numbers.threshold)
    return delivered * numbers.spike_value
