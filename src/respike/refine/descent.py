"""Gradient descent on the numbers of a plan: how far its outputs are from the network's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from respike.coding import ConstantCurrent
from respike.engines import fastest
from respike.engines.few_spikes import delivered
from respike.errors import InvalidPlan
from respike.ir import Network, Node, ReLU, ceiling
from respike.neurons import Neuron, straight_through
from respike.passes.edges import Weighted
from respike.plan import Plan, Site, SiteTensors
from respike.progress import tell
from respike.schedule import Layerwise, Steady
from respike.training.dynamics import shaped
from respike.training.module import Forward, all_sites

_BATCH = 64
_WHOLE = 2 / 3
"""The least share of an image in its mixture with another one."""
_WARM = 0.1
"""The share of the rounds in which the rate rises."""
_EVERYWHERE = (-math.inf, math.inf)
"""What neurons take whose digits were fitted, and not a function in some range: a larger unit is no error there."""
_OF_WEIGHTS = 0.3
"""The rate of weights, as a share of that of a population's numbers: there are many more of them."""
_LONGEST = 1.0
"""The longest gradient: longer ones are shortened to it."""


def descend(plan: Plan, network: Network, images: Tensor, rounds: int, rate: float, weights: bool = False) -> Plan:
    """The plan with the numbers of its populations moved; those of neurons fitted to a function in some range stay.

    Args:
        plan: where it starts.
        network: whose outputs are wanted.
        images: what is looked at, `[images, *shape]`.
        rounds: steps of Adam, whose rate rises in the first tenth and then falls as a cosine.
        rate: the largest one.
        weights: whether weights move, too.

    Raises:
        InvalidPlan: all neurons are fitted ones.
    """
    (given,) = network.check_inputs((images,)).values()
    moving = {
        node.name: Moving.of(plan.sites[node.name], given, ceiling(node.function))
        for node in plan.on(network).activations
        if node.name in plan.sites and plan.sites[node.name].neuron.domain in (None, _EVERYWHERE)
    }
    if not moving:
        raise InvalidPlan("match_outputs moves no fitted neurons, and this plan has no others: leave it out")
    layers = weights_of(plan.on(network)) if weights else {}
    numbers = [number for one in moving.values() for number in one.numbers]
    parameters = {1.0: numbers, _OF_WEIGHTS: [one.moved for one in dict.fromkeys(layers.values())]}
    descent = torch.optim.Adam([{"params": some, "share": share} for share, some in parameters.items()])
    for number, seen in zip(range(rounds), _mixed(given), strict=False):
        tell("matching outputs", number, rounds)
        rising = min(1.0, (number + 1) / (_WARM * rounds))
        for group in descent.param_groups:
            group["lr"] = group["share"] * rate * rising * (1 + math.cos(math.pi * number / rounds)) / 2
        with torch.no_grad():
            wanted = network(seen)
        with torch.enable_grad():
            found = outputs(network, plan, seen, moving, layers)
            found, wanted = functional.log_softmax(found, 1), functional.log_softmax(wanted, 1)
            descent.zero_grad()
            functional.kl_div(found, wanted, reduction="batchmean", log_target=True).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([one for some in parameters.values() for one in some], _LONGEST)
        descent.step()
    return _moved(plan, moving, layers)


def _moved(plan: Plan, moving: Mapping[str, Moving], layers: Mapping[str, MovingWeight]) -> Plan:
    """The plan with numbers and weights as they are now."""
    sites = {name: one.site() for name, one in moving.items()}
    tensors = {one: one.now().detach().cpu() for one in dict.fromkeys(layers.values())}
    weights = {name: tensors[one] for name, one in layers.items()}
    return replace(plan, sites={**plan.sites, **sites}, weights={**plan.weights, **weights})


def _mixed(images: Tensor) -> Iterator[Tensor]:
    """Batches, each image once before any comes again, and half of them mixed with another one; always the same.

    Words, which are whole numbers, are not mixed.
    """
    draw = torch.Generator().manual_seed(0)
    while True:
        for picked in torch.split(torch.randperm(len(images), generator=draw), _BATCH):
            batch = images[picked.to(images.device)]
            if not images.is_floating_point():
                yield batch
                continue
            share = 1 - (1 - _WHOLE) * torch.rand(len(picked), *[1] * (images.ndim - 1), generator=draw)
            share[: len(picked) // 2] = 1
            other = batch[torch.randperm(len(picked), generator=draw).to(images.device)]
            share = share.to(images)
            yield share * batch + (1 - share) * other


def outputs(
    network: Network,
    plan: Plan,
    images: Tensor,
    moving: Mapping[str, Moving],
    layers: Mapping[str, MovingWeight] = MappingProxyType({}),
) -> Tensor:
    """The outputs of the spiking network with the numbers as they are, which can be derived by them.

    A network that runs in time is simulated by the fastest engine, without derivatives. These are those of its means:
    one pass, in which each population delivers what its spikes have delivered in the mean over time.
    """
    numbers = {name: one.now() for name, one in moving.items()}
    weights = {name: one.now() for name, one in layers.items()}

    def filled(node: Node) -> Node:
        return replace(node, weight=weights[node.name]) if isinstance(node, Weighted) and weights else node

    if isinstance(plan.schedule, Layerwise):

        def window(name: str) -> _Window:
            site = all_sites(plan)[name]
            return _Window(site.neuron, numbers.get(name) or site.like(images))

        return Forward(network, plan, images, filled, window).outputs()
    with torch.no_grad():
        now = _moved(plan, moving, layers)
        record = fastest(network, now)(network, now, images)
        counts = dict(record.spike_counts)
        if after := plan.readout.after:
            early = replace(now, schedule=Steady(after), readout=replace(plan.readout, after=0))
            for name, sent in fastest(network, early)(network, early, images).spike_counts.items():
                counts[name] = counts[name] - sent
        mean_input = plan.coding.stream(images, 0).take(plan.schedule.input_steps).mean(0) / plan.coding.gain
    still = {name: replace(site, transient=None) for name, site in plan.sites.items()}
    readout = replace(plan.readout, after=0)
    means = replace(plan, sites=still, schedule=Steady(1), coding=ConstantCurrent(), readout=readout)

    def mean(name: str) -> _Mean:
        site = all_sites(plan)[name]
        highest = site.neuron.most_in(plan.schedule.steps) / plan.schedule.input_steps
        return _Mean(site.neuron, numbers.get(name) or site.like(images), counts[name] / plan.output_decoding, highest)

    derived = Forward(network, means, mean_input, filled, mean).outputs()
    return straight_through(record.outputs / plan.output_decoding, derived)


@dataclass(frozen=True, eq=False)
class _Window:
    """A population of neurons with a window: what the one-pass engine says that they deliver, with derivatives.

    Args:
        neuron: the dynamics.
        numbers: the site's.
    """

    neuron: Neuron
    numbers: SiteTensors

    def __call__(self, current: Tensor, steps: int, bias_on: bool) -> Tensor:
        """What its spikes deliver, `[1, batch, *shape]`."""
        numbers = shaped(self.numbers, current.ndim - 1)
        given = {part.name: getattr(self.numbers, part.name).detach() for part in fields(self.numbers)}
        with torch.no_grad():
            sent = delivered(Site(**given | {"spike_value": 1.0}, neuron=self.neuron), current[0])
        smooth = self.neuron.smooth(
            (numbers.initial_potential + current[0] + numbers.extra_current) / numbers.threshold
        )
        return (numbers.spike_value * straight_through(sent, smooth)).unsqueeze(0)


@dataclass(frozen=True, eq=False)
class _Mean:
    """A population of a network that runs in time, by its means over time.

        y = value · r,    ∂r / ∂x = 1 / θ where x / θ is between what it can deliver at least and at most, else 0

    Args:
        neuron: the dynamics.
        numbers: the site's.
        rate: r, the mean of its amplitudes, `[batch, *shape]`.
        highest: the largest r.
    """

    neuron: Neuron
    numbers: SiteTensors
    rate: Tensor
    highest: float

    def __call__(self, current: Tensor, steps: int, bias_on: bool) -> Tensor:
        """What its spikes deliver in the mean, `[1, batch, *shape]`."""
        numbers = shaped(self.numbers, current.ndim - 1)
        lowest = 0.0 if isinstance(self.neuron.computes, ReLU) else -self.highest
        smooth = ((current[0] + numbers.extra_current) / numbers.threshold).clamp(lowest, self.highest)
        return (numbers.spike_value * straight_through(self.rate, smooth)).unsqueeze(0)


@dataclass(frozen=True, eq=False)
class Moving:
    """A site, and by how much its numbers have moved.

    Args:
        before: the site.
        start: its numbers, in the type of the network and on its device.
        highest: the largest spike value that it may get.
        numbers: the logarithms of what thresholds and spike values are multiplied by, and a current in thresholds.
    """

    before: Site
    start: SiteTensors
    highest: float
    numbers: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(cls, site: Site, images: Tensor, highest: float) -> Moving:
        """Numbers that have not moved, as many as the site has.

        Args:
            site: the site.
            images: a batch for the network.
            highest: a clip above which no activation can be (ReLU6).
        """
        start = SiteTensors(
            *(
                torch.as_tensor(number, dtype=images.dtype, device=images.device)
                for number in (site.threshold, site.value, site.initial_potential, site.extra_current)
            )
        )
        sizes = (start.threshold, start.spike_value, start.threshold + start.extra_current)
        threshold, value, current = (torch.zeros_like(one).requires_grad_() for one in sizes)
        return cls(site, start, highest / site.neuron.largest, (threshold, value, current))

    def now(self) -> SiteTensors:
        """The numbers as they are now. The initial potential is as many thresholds as before."""
        threshold, value, current = self.numbers
        factor = threshold.exp()
        return SiteTensors(
            self.start.threshold * factor,
            (self.start.spike_value * value.exp()).clamp(max=self.highest),
            self.start.initial_potential * factor,
            self.start.extra_current + self.start.threshold * current,
        )

    def site(self) -> Site:
        """The site with them."""
        with torch.no_grad():
            now = self.now()
        return replace(
            self.before,
            threshold=now.threshold,
            spike_value=now.spike_value,
            initial_potential=now.initial_potential,
            extra_current=now.extra_current,
        )


@dataclass(frozen=True, eq=False)
class MovingWeight:
    """The weights of a layer, and by how much they have moved.

        W = W_0 + D · sqrt(mean(W_0^2))

    Args:
        start: W_0.
        moved: D, so that one rate suits all layers.
    """

    start: Tensor
    moved: Tensor

    def now(self) -> Tensor:
        """W, as it is now."""
        return self.start + self.moved * self.start.square().mean().sqrt()


def weights_of(network: Network) -> dict[str, MovingWeight]:
    """The weights of all linear layers and convolutions, not moved yet; those that layers share move as one."""
    layers = {node.name: node.weight for node in network.nodes if isinstance(node, Weighted)}
    shared = {id(weight): MovingWeight(weight, torch.zeros_like(weight).requires_grad_()) for weight in layers.values()}
    return {name: shared[id(weight)] for name, weight in layers.items()}
