"""What to change: rules, each with a stated threshold and the figure that it is tied to.

All but `wrong_network` speak only where the network has lost accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from respike.diagnosis import changes
from respike.diagnosis.evidence import Evidence, Suspicion, suspicion
from respike.diagnosis.replacing import populations
from respike.diagnosis.result import Diagnosis
from respike.diagnosis.rules.ends import draining_bias, momentary_max, noisy_input, readout
from respike.diagnosis.rules.network import dead, wrong_network
from respike.diagnosis.rules.scale import outliers, saturation, spike_value, wasted_range
from respike.diagnosis.rules.time import accumulated, hard_reset, rounding_down, silent, steps, too_early
from respike.methods import Method
from respike.spiking import SpikingNetwork

Rule: TypeAlias = Callable[[Evidence], Suspicion | None]

ALWAYS: tuple[Rule, ...] = (wrong_network,)
RULES: tuple[Rule, ...] = (
    spike_value,
    saturation,
    wasted_range,
    outliers,
    noisy_input,
    hard_reset,
    rounding_down,
    silent,
    steps,
    momentary_max,
    draining_bias,
    too_early,
    readout,
    dead,
    accumulated,
)


def suspicions(figures: Diagnosis, spiking: SpikingNetwork, method: Method[Any] | None = None) -> list[Suspicion]:
    """What the rules find, in their order; `method` is the one that made the plan."""
    nodes = {one.name: one.nodes for one in populations(spiking.network, spiking.plan)}
    evidence = Evidence(figures, spiking.network, spiking.plan, nodes, method)
    always = [one for rule in ALWAYS if (one := rule(evidence)) is not None]
    if figures.healthy:
        return always
    found = [one for rule in RULES if (one := rule(evidence)) is not None]
    return [*always, *(found or [unexplained(evidence)])]


def unexplained(evidence: Evidence) -> Suspicion:
    """What is left where no rule speaks."""
    figures = evidence.figures
    where = figures.most_loss or "no single layer"
    return suspicion(
        "unexplained",
        tuple(layer for layer in figures.layers if layer.name == where),
        figures.loss,
        figures.allowed,
        f"no figure is beyond its threshold; most is lost with {where}",
        evidence.remedies("unexplained"),
        changes.longer(evidence.plan),
    )
