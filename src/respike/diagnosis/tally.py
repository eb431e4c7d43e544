"""Sums over the images seen so far; no activation is held longer than its batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.diagnosis.replacing import Population, maximum, unit
from respike.diagnosis.result import Comparison, Layer, Score
from respike.plan import Plan

BULK = 0.999
"""The share of the positive activations that are no outliers."""
SHARES = 4096
"""Steps in which activations are counted, from zero to the coding's maximum."""


class Sums:
    """The sums behind a `Comparison`, in float64."""

    def __init__(self) -> None:
        self._sums = torch.zeros(8, dtype=torch.float64)

    def add(self, sent: Tensor, reference: Tensor) -> None:
        """Takes decoded spiking activations and those they are compared with, of the same shape."""
        s, a = sent.double().flatten(), reference.double().flatten()
        e = s - a
        parts = (a.new_tensor(len(a)), s.sum(), a.sum(), s @ s, a @ a, s @ a, e @ e, a.abs().sum())
        self._sums += torch.stack(parts).cpu()

    def finish(self) -> Comparison:
        """The comparison over all that was added."""
        n, s, a, ss, aa, sa, ee, magnitude = self._sums.tolist()
        spread = (n * ss - s * s) * (n * aa - a * a)
        # Where one of them never changes, rounding leaves a little of its spread.
        constant = n * ss - s * s <= 1e-12 * n * ss or n * aa - a * a <= 1e-12 * n * aa
        return Comparison(
            correlation=math.nan if constant else (n * sa - s * a) / math.sqrt(spread),
            error=math.sqrt(ee / aa) if aa else math.nan,
            bias=(s - a) / magnitude if magnitude else math.nan,
            gain=sa / aa if aa else math.nan,
        )

    @property
    def mean_magnitude(self) -> float:
        """The mean of `|a|`."""
        return float(self._sums[-1] / self._sums[0])


class Decisions:
    """The sums behind a `Score`."""

    def __init__(self) -> None:
        self._right = self._agreeing = self._images = 0
        self._error = self._power = 0.0

    def add(self, outputs: Tensor, network: Tensor, labels: Tensor | None) -> None:
        """Takes outputs `[batch, classes]` in the network's units, and the network's own."""
        decided = outputs.argmax(-1)
        self._agreeing += int((decided == network.argmax(-1)).sum())
        self._right += int((decided == labels).sum()) if labels is not None else 0
        self._images += len(outputs)
        self._error += float((outputs - network).double().square().sum())
        self._power += float(network.double().square().sum())

    def finish(self, labelled: bool) -> Score:
        """The score over all that was added."""
        return Score(
            accuracy=self._right / self._images if labelled else math.nan,
            agreement=self._agreeing / self._images,
            output_error=math.sqrt(self._error / self._power) if self._power else math.nan,
        )


@dataclass(frozen=True, eq=False)
class Batch:
    """What is known of one population and a batch of images, at each of its nodes.

    sent: what its spikes deliver, decoded. network: the activations of the network. own: what the activation makes of
    the same decoded inputs. spikes: how many, per neuron.
    """

    sent: dict[str, Tensor]
    network: dict[str, Tensor]
    own: dict[str, Tensor]
    spikes: dict[str, Tensor]


class Tally:
    """The sums behind one `Layer`."""

    def __init__(self, population: Population, plan: Plan) -> None:
        self.population = population
        self.decisions = Decisions()
        self._plan = plan
        self._site = plan.sites[population.nodes[0]]
        self._network, self._own = Sums(), Sums()
        self._positive = self._saturated = self._values = 0
        self._spikes = self._positive_sum = self._unit_sum = self._range_used = 0.0
        self._spiked = self._heard = self._used = torch.zeros((), dtype=torch.bool)
        self._shares = torch.zeros(SHARES, dtype=torch.float64)

    def add(self, batch: Batch) -> None:
        """Takes a batch of images."""
        for name in self.population.nodes:
            self._network.add(batch.sent[name], batch.network[name])
            self._own.add(batch.sent[name], batch.own[name])
            self._bounds(batch.sent[name], batch.network[name])
            self._neurons(batch.spikes[name], batch.network[name])

    def _bounds(self, sent: Tensor, activations: Tensor) -> None:
        """Where the coding ends, above and below."""
        highest = maximum(self._plan, self._site, activations)
        full = True if self._site.neuron.domain else sent >= highest * (1 - 1e-6)
        positive = activations > 0
        self._positive += int(positive.sum())
        self._saturated += int((positive & (activations > highest * (1 + 1e-6)) & full).sum())
        self._positive_sum += float(activations[positive].double().sum())
        self._unit_sum += float((unit(self._plan, self._site, activations) * positive).double().sum())
        shares = activations / highest
        self._range_used = max(self._range_used, float(shares.max()))
        places = (shares[positive].double() * SHARES).ceil().clamp(1, SHARES).long() - 1
        self._shares += torch.bincount(places.cpu(), minlength=SHARES)

    def _neurons(self, spikes: Tensor, activations: Tensor) -> None:
        """Which neurons have spiked, and which should have."""
        heard = activations.abs() > unit(self._plan, self._site, activations) / 2
        self._spiked = self._spiked | (spikes != 0).any(0)
        self._heard = self._heard | heard.any(0)
        self._used = self._used | (activations != 0).any(0)
        self._spikes += float(spikes.double().sum())
        self._values += spikes.numel()

    def finish(self, labelled: bool) -> Layer:
        """The layer over all that was added."""
        steps = self._site.neuron.window or self._plan.schedule.steps
        return Layer(
            name=self.population.name,
            neurons=self._spiked.numel(),
            network=self._network.finish(),
            own=self._own.finish(),
            mean_activation=self._network.mean_magnitude,
            coarseness=self._unit_sum / self._positive_sum if self._positive else math.nan,
            range_used=self._range_used,
            saturated=self._saturated / self._positive if self._positive else 0.0,
            silent=float((self._heard & ~self._spiked).double().mean()),
            bulk=self._bulk(),
            dead=float((~self._used).double().mean()),
            spike_rate=self._spikes / self._values / steps,
            replaced=self.decisions.finish(labelled),
        )

    def _bulk(self) -> float:
        """What 99.9 % of the positive activations are at most, over the maximum."""
        if not self._positive:
            return math.nan
        below = self._shares.cumsum(0) >= BULK * self._shares.sum()
        return (int(below.int().argmax()) + 1) / SHARES
