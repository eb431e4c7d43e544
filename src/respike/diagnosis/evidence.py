"""What rules look at: the figures of a diagnosis, and the plan behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from respike.diagnosis import remedies
from respike.diagnosis.changes import Change
from respike.diagnosis.result import Diagnosis, Finding, Layer
from respike.ir import Network
from respike.methods import Method
from respike.methods.remedy import Remedy
from respike.plan import Plan, Site


@dataclass(frozen=True, eq=False)
class Suspicion:
    """A finding, and the change of the plan by which its advice is tried; None where that needs a new conversion."""

    finding: Finding
    change: Change | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """The figures of a diagnosis, and what they are about.

    `nodes` are those of each layer; `method` is the one that made the plan, None for a plan made by hand.
    """

    figures: Diagnosis
    network: Network
    plan: Plan
    nodes: Mapping[str, tuple[str, ...]]
    method: Method[Any] | None = None

    def remedies(self, rule: str, reach: float = 1.0) -> tuple[Remedy, ...]:
        """What may help where a rule has found something; see `remedies.remedies`."""
        return remedies.remedies(rule, self.plan, self.method, reach)

    def sites(self, layers: Iterable[Layer]) -> list[str]:
        """The names of the layers' sites."""
        return [node for layer in layers for node in self.nodes[layer.name]]

    def site(self, layer: Layer) -> Site:
        """The site of a layer."""
        return self.plan.sites[self.nodes[layer.name][0]]

    def above(self, figure: Callable[[Layer], float], threshold: float) -> tuple[Layer, ...]:
        """The layers in which a figure exceeds a threshold; where it is not defined, it does not."""
        return tuple(layer for layer in self.figures.layers if figure(layer) > threshold)

    def layerwise(self, layer: Layer) -> bool:
        """Whether its neurons wait for their whole input."""
        return self.site(layer).neuron.window is not None

    def forgets(self, layer: Layer) -> bool:
        """Whether its neurons lose what exceeds the threshold."""
        return not self.site(layer).neuron.lossless

    def head_start(self, layer: Layer) -> float:
        """The charge that its neurons get beside their input, in thresholds; the smallest over its channels."""
        site = self.site(layer)
        steps = self.plan.schedule.input_steps
        charge = torch.as_tensor(site.initial_potential) + steps * torch.as_tensor(site.extra_current)
        if site.transient is not None:
            charge = charge + site.transient.sum(0)
        return float((charge / torch.as_tensor(site.threshold)).min())

    def weight(self, layer: Layer) -> float:
        """What a spike delivers over what it costs, in the channel where they differ most."""
        site = self.site(layer)
        ratio = (torch.as_tensor(site.value).double() / torch.as_tensor(site.threshold).double()).flatten()
        return float(ratio[ratio.log().abs().argmax()])


def worst(layers: tuple[Layer, ...], figure: Callable[[Layer], float]) -> Layer:
    """The layer with the largest figure."""
    return max(layers, key=lambda layer: -math.inf if math.isnan(figure(layer)) else figure(layer))


def suspicion(
    rule: str,
    layers: tuple[Layer, ...],
    observed: float,
    threshold: float,
    why: str,
    advice: tuple[Remedy, ...],
    change: Change | None = None,
) -> Suspicion:
    """A finding about some layers, and the change that tries its advice."""
    names = tuple(layer.name for layer in layers)
    trial = "" if change is None else change.what
    return Suspicion(Finding(rule, names, observed, threshold, why, advice, trial), change)


def percent(share: float) -> str:
    """A fraction in percent, with three figures."""
    return f"{100 * share:.3g} %"


def points(share: float) -> str:
    """A difference of fractions in percentage points."""
    return f"{100 * share:.1f} points"
