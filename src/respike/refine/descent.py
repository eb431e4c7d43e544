"""Gradient descent on the numbers of a plan: how far its outputs are from the network's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from respike.ir import Network, ceiling
from respike.plan import Plan, Site, SiteTensors
from respike.progress import tell
from respike.training import Triangle
from respike.training.dynamics import Population
from respike.training.module import Forward, all_sites

_BATCH = 64
_LONGEST = 1.0
"""The longest gradient: longer ones are shortened to it."""


def descend(plan: Plan, network: Network, images: Tensor, rounds: int, rate: float) -> dict[str, Site]:
    """The sites whose numbers have moved, by name; those of fitted neurons are left out.

    Args:
        plan: where it starts.
        network: whose outputs are wanted.
        images: what is looked at, `[images, *shape]`.
        rounds: steps of Adam, whose rate falls as a cosine.
        rate: the first one.
    """
    (given,) = network.check_inputs((images,)).values()
    moving = {
        node.name: _Moving.of(plan.sites[node.name], given, ceiling(node.function))
        for node in network.activations
        if node.name in plan.sites and plan.sites[node.name].neuron.domain is None
    }
    parameters = [number for one in moving.values() for number in one.numbers]
    descent = torch.optim.Adam(parameters, lr=rate)
    for number, picked in zip(range(rounds), _drawn(len(given)), strict=False):
        tell("matching outputs", number, rounds)
        descent.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * number / rounds)) / 2
        images_now = given[picked.to(given.device)]
        with torch.no_grad():
            wanted = network(images_now)
        with torch.enable_grad():
            found = _outputs(network, plan, images_now, {name: one.now() for name, one in moving.items()})
            found, wanted = functional.log_softmax(found, 1), functional.log_softmax(wanted, 1)
            descent.zero_grad()
            functional.kl_div(found, wanted, reduction="batchmean", log_target=True).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, _LONGEST)
        descent.step()
    return {name: one.site() for name, one in moving.items()}


def _drawn(images: int) -> Iterator[Tensor]:
    """Numbers of images, batch by batch, each image once before any comes again; always in the same order."""
    draw = torch.Generator().manual_seed(0)
    while True:
        yield from torch.split(torch.randperm(images, generator=draw), _BATCH)


def _outputs(network: Network, plan: Plan, images: Tensor, sites: dict[str, SiteTensors]) -> Tensor:
    """The outputs of the spiking network with these numbers, which can be derived by them."""

    def made(name: str) -> Population:
        site = all_sites(plan)[name]
        return Population(site.neuron, sites.get(name) or site.like(images), Triangle())

    return Forward(network, plan, images, lambda node: node, made).outputs()


@dataclass(frozen=True, eq=False)
class _Moving:
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
    def of(cls, site: Site, images: Tensor, highest: float) -> _Moving:
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
