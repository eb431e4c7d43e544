"""Rules about scales: what a spike is worth, and how far spikes reach."""

from __future__ import annotations

from respike.diagnosis import changes
from respike.diagnosis.evidence import Evidence, Suspicion, percent, suspicion, worst
from respike.diagnosis.result import Layer

SATURATED = 0.01
"""The share of positive activations above the coding's maximum."""
OUTLIERS = 0.5
"""What 99.9 % of the positive activations are at most, over the coding's maximum, below which outliers set it."""
RANGE_USED = 0.25
"""The largest activation over the coding's maximum, below which the range is wasted."""
WEIGHT = 0.05
"""By how much what a spike delivers may differ from the threshold that it costs, relatively."""


def spike_value(evidence: Evidence) -> Suspicion | None:
    """Spikes deliver another value than the threshold that they cost."""
    layers = tuple(one for one in evidence.figures.layers if abs(evidence.weight(one) - 1) > WEIGHT)
    if not layers:
        return None
    layer = worst(layers, lambda layer: abs(evidence.weight(layer) - 1))
    return suspicion(
        "spike_value",
        layers,
        evidence.weight(layer),
        WEIGHT,
        f"a spike of {layer.name} delivers {evidence.weight(layer):.2g} times the threshold that it costs, and what is "
        f"decoded is {layer.own.gain:.2g} times the activation",
        evidence.remedies("spike_value"),
        changes.unweighted(evidence.plan, evidence.sites(layers)),
    )


def saturation(evidence: Evidence) -> Suspicion | None:
    """Activations are larger than the coding's maximum."""
    layers = evidence.above(lambda layer: layer.saturated, SATURATED)
    if not layers:
        return None
    layer = worst(layers, lambda layer: layer.saturated)
    factors = {name: one.range_used for one in layers for name in evidence.nodes[one.name]}
    refit = any(evidence.layerwise(one) and one.range_used <= 1 for one in layers)
    return suspicion(
        "saturation",
        layers,
        layer.saturated,
        SATURATED,
        f"{percent(layer.saturated)} of the positive activations of {layer.name} are above the largest value that its "
        f"spikes can send, by up to {layer.range_used:.2g} times",
        evidence.remedies("saturation", layer.range_used),
        None if refit else changes.drained(evidence.plan) or changes.rescaled(evidence.plan, factors),
    )


def wasted_range(evidence: Evidence) -> Suspicion | None:
    """Thresholds are far above all activations, so that spikes are few and come late."""

    def reach(layer: Layer) -> float:
        """The largest activation over one spike a step. Steps for draining widen the range, and waste nothing."""
        schedule = evidence.plan.schedule
        return layer.range_used * schedule.steps / schedule.input_steps

    layers = tuple(one for one in evidence.figures.layers if 0 < reach(one) < RANGE_USED)
    if not layers:
        return None
    layer = worst(layers, lambda layer: -reach(layer))
    factors = {name: reach(one) for one in layers for name in evidence.nodes[one.name]}
    return suspicion(
        "wasted_range",
        layers,
        reach(layer),
        RANGE_USED,
        f"the largest activation of {layer.name} is {percent(reach(layer))} of what a spike in every step is: its "
        "threshold is too high",
        evidence.remedies("wasted_range", reach(layer)),
        changes.rescaled(evidence.plan, factors),
    )


def outliers(evidence: Evidence) -> Suspicion | None:
    """A few activations, far above all others, have set the threshold."""
    schedule = evidence.plan.schedule
    used = RANGE_USED * schedule.input_steps / schedule.steps
    layers = tuple(
        one
        for one in evidence.figures.layers
        if not evidence.layerwise(one) and 0 < one.bulk < OUTLIERS and one.range_used >= used
    )
    if not layers:
        return None
    layer = worst(layers, lambda layer: -layer.bulk)
    factors = {name: one.bulk for one in layers for name in evidence.nodes[one.name]}
    return suspicion(
        "outliers",
        layers,
        layer.bulk,
        OUTLIERS,
        f"99.9 % of the positive activations of {layer.name} are at most {percent(layer.bulk)} of the largest value "
        "that its spikes can send: a few outliers have set its threshold, and all others are told coarsely",
        evidence.remedies("outliers", layer.bulk),
        changes.rescaled(evidence.plan, factors, "scales that 99.9 % of the activations of these images just fit"),
    )
