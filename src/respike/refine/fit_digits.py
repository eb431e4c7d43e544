"""Digits fitted to what the populations on edges send, weighed by what errors do to the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from respike.bounds import Count, Positive
from respike.calibrate import Calibration, first_images
from respike.calibrate.derivatives import derivatives
from respike.citations import FEW_SPIKES, SHOHAM_1988
from respike.cost import fan_outs
from respike.engines.few_spikes import few_spikes
from respike.errors import InvalidPlan
from respike.fitting.digits import Spread
from respike.fitting.digits import fit_digits as fit
from respike.ir import Network
from respike.neurons import FittedDigits, SignedDigits
from respike.plan import Plan, Site
from respike.record import Probe
from respike.refine.correct_biases import correct_biases
from respike.refine.refinement import refinement

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


@refinement(FEW_SPIKES, SHOHAM_1988)
def fit_digits(
    plan: Plan, network: Network, calibration: Calibration, *, operations: Positive = 1.0, images: Count = 128
) -> Plan:
    """Gives the populations on edges digits that are fitted to their values, in as many steps as they have.

        T, h = argmin  mean (Σ_i g_i (x_i - Σ_t h(t) s_i(t)))² + λ · (targets + 24) · mean Σ |s_i(t)|

    with x the values of an edge in the network, in the units that the plan has for its channels, and g the derivative
    of the outputs by them, in random directions. Powers of two reach 2^K - 1 units, so a few large values make the unit
    large for all. Fitted digits are worth more than twice the next one (`neurons.FittedDigits`). λ, the price of an
    operation, is the same for all edges, and such that together they make as many operations as before, times
    `operations`; sending a spike counts as 24 of them. Then mean errors are corrected anew where they were corrected.

    *Source*: fitted sequences are Stöckl and Maass's, the one price for all layers is Shoham and Gersho's. Digits of
    both signs, and errors weighed by derivatives, are ours.
    Costs a few passes over the images and the searches: seconds.

    Args:
        plan: the plan to refine, with populations on edges (`methods.every_edge`).
        network: the network that it is for.
        calibration: images from the training set.
        operations: operations of these populations in multiples of those before.
        images: how many of them digits are fitted to, at most.

    Raises:
        InvalidPlan: no population on an edge.
    """
    names = [name for name, site in plan.sites.items() if isinstance(site.neuron, SignedDigits)]
    if not names:
        raise InvalidPlan(
            "fit_digits fits the digits of populations on edges (neurons.SignedDigits), and this plan has none: use "
            "the method every_edge"
        )
    spiking = plan.on(network)
    edges = _edges(plan, spiking, first_images(spiking, calibration, images), names)
    sites = dict(plan.sites)
    for name, neuron in _within(edges, operations * sum(edge.spent for edge in edges.values())).items():
        sites[name] = Site(plan.sites[name].threshold, neuron=neuron)
    refined = replace(plan, sites=sites)
    if any(bool(torch.as_tensor(site.extra_current).any()) for site in plan.sites.values()):
        refined = correct_biases(refined, network, calibration)
    return refined


@dataclass(frozen=True, eq=False)
class _Edge:
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


def _edges(plan: Plan, network: Network, images: Tensor, names: list[str]) -> dict[str, _Edge]:
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
        edges[name] = _Edge(steps, bins[name].spread(len(images)), cost, float(spent) / len(images))
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
        """Those bins that have values, for one image."""
        kept = self._counts > 0
        counts = self._counts[kept]
        return Spread(self._sums[kept] / counts, counts / images, self._squares[kept][:, kept] / images)


def _within(edges: Mapping[str, _Edge], most: float) -> dict[str, FittedDigits]:
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
    edges: Mapping[str, _Edge], price: float, *starts: Mapping[str, FittedDigits]
) -> tuple[dict[str, FittedDigits], float, float]:
    """The digits at a price of an operation, the squared error of the outputs, and the operations, for one image."""
    fitted, error, spent = {}, 0.0, 0.0
    for name, edge in edges.items():
        before = [start[name] for start in starts]
        fitted[name], each, spikes = fit(edge.spread, edge.steps, price=price * edge.cost, starts=before)
        error += each
        spent += edge.cost * spikes
    return fitted, error, spent
