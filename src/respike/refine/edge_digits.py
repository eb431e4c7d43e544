"""What digits of edges are fitted to: values, what their errors do to the outputs, and what a spike costs there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.calibrate.derivatives import derivatives
from respike.cost import fan_outs
from respike.engines.few_spikes import few_spikes
from respike.fitting.digits import Spread, fit_digits
from respike.ir import Network
from respike.neurons import FittedDigits
from respike.plan import Plan
from respike.record import Probe

_PROBES = 4
"""Random directions of the outputs that each image is asked for."""
_BINS = 192
"""Bins of values that are as many each; as many more are as wide each."""
_SENDING = 24.0
"""Operations that sending a spike is taken to cost, beside those that it makes."""
_MEMORY = 2**29
"""Bytes that the values of all nodes may take at one time."""
_RAISED, _HALVINGS = 3.0, 5
"""By how much the price of an operation is raised until it is too high, and how often that range is halved then."""


@dataclass(frozen=True, eq=False)
class Edge:
    """What digits are fitted to.

    Args:
        steps: K.
        spread: of the values of an image, in units.
        cost: of a spike, in operations.
        spent: operations for an image before.
    """

    steps: int
    spread: Spread
    cost: float
    spent: float


def edges_of(plan: Plan, network: Network, images: Tensor, names: list[str]) -> dict[str, Edge]:
    """The edges of these names, as the network has them for some images and the plan spends operations on them."""
    targets = fan_outs(network, plan)
    before = few_spikes(network, plan, images, Probe(spike_counts=False, fan_out=targets))
    bins: dict[str, _Bins] = {}
    draw = torch.Generator().manual_seed(0)
    size = sum(network.neurons(node.name) for node in network.nodes) * network.dtype.itemsize
    for part in torch.split(images, max(1, _MEMORY // size)):
        seen = derivatives(network, names, part, draw, _PROBES)
        for name in names:
            unit = plan.sites[name].like(seen.values[name]).threshold
            values = (seen.values[name] / unit).flatten(1).float()
            bins[name] = bins.get(name) or _Bins(values)
            bins[name].add(values, [(each * unit).flatten(1).float() for each in seen.derivatives[name]])
    edges = {}
    for name in names:
        cost = float(targets[name].double().mean()) + _SENDING
        spent = before.operations_per_step[name].sum() + _SENDING * before.spikes_per_step[name].sum()
        steps = len(plan.sites[name].neuron.worth)
        edges[name] = Edge(steps, bins[name].spread(len(images)), cost, float(spent) / len(images))
    return edges


class _Bins:
    """The values of a population in bins, and the products of their derivatives."""

    def __init__(self, values: Tensor) -> None:
        """Some values, which say where the bins are: half of them have as many values each, half are as wide each."""
        some = values.flatten()[:: max(1, values.numel() // 20000)]
        shares = torch.linspace(0, 1, _BINS + 1, device=values.device)
        even = values.min() + (values.max() - values.min()) * shares
        self._bounds = torch.cat([torch.quantile(some, shares), even]).sort().values[1:-1]
        bins = len(self._bounds) + 1
        self._counts, self._sums, self._squares = (
            values.new_zeros(*shape) for shape in ((bins,), (bins,), (bins, bins))
        )

    def add(self, values: Tensor, derivatives: list[Tensor]) -> None:
        """Takes values `[images, values]`, and derivatives by them."""
        places = torch.bucketize(values, self._bounds)
        self._counts += torch.bincount(places.flatten(), minlength=len(self._counts))
        self._sums += torch.bincount(places.flatten(), values.flatten(), len(self._counts))
        for each in derivatives:
            binned = values.new_zeros(len(values), len(self._counts)).scatter_add_(1, places, each)
            self._squares += binned.T @ binned / len(derivatives)

    def spread(self, images: int) -> Spread:
        """Those bins that have values, for one image, on the CPU, where digits are searched for."""
        all_counts, sums, squares = (one.cpu() for one in (self._counts, self._sums, self._squares))
        kept = all_counts > 0
        counts = all_counts[kept]
        return Spread(sums[kept] / counts, counts / images, squares[kept][:, kept] / images)


def within(edges: Mapping[str, Edge], most: float) -> dict[str, FittedDigits]:
    """The digits at the lowest price of an operation at which all edges together make at most so many."""
    dear, error, spent = _at(edges, 0.0)
    cheap, price, low = dear, (error or 1.0) / max(spent, 1.0), 0.0
    while spent > most:
        cheap, low, price = dear, price, price * _RAISED
        dear, _, spent = _at(edges, price, cheap)
    for _ in range(_HALVINGS if low else 0):
        middle = (low * price) ** 0.5
        tried, _, spent = _at(edges, middle, cheap, dear)
        if spent <= most:
            price, dear = middle, tried
        else:
            low, cheap = middle, tried
    return dear


def _at(
    edges: Mapping[str, Edge], price: float, *starts: Mapping[str, FittedDigits]
) -> tuple[dict[str, FittedDigits], float, float]:
    """The digits at a price of an operation, the squared error of the outputs, and the operations, for one image."""
    fitted, error, spent = {}, 0.0, 0.0
    for name, edge in edges.items():
        before = [start[name] for start in starts]
        fitted[name], each, spikes = fit_digits(edge.spread, edge.steps, price=price * edge.cost, starts=before)
        error += each
        spent += edge.cost * spikes
    return fitted, error, spent
