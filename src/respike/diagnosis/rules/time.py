"""Rules about time: what is lost because neurons have too little of it, or spike too early."""

from __future__ import annotations

from respike.diagnosis import changes
from respike.diagnosis.changes import Change
from respike.diagnosis.evidence import Evidence, Suspicion, percent, points, suspicion, worst
from respike.diagnosis.result import Layer
from respike.diagnosis.rules.scale import SATURATED, WEIGHT

BIAS = 0.05
"""A layer's own mean signed error, in mean activations."""
SILENT = 0.1
"""The share of neurons that never spike and should."""
COARSE = 1.0
"""One spike, in mean positive activations."""
GROWTH = 2.5
"""The last layer's error, in multiples of its own and of the first layer's."""


def hard_reset(evidence: Evidence) -> Suspicion | None:
    """A reset to zero loses what exceeds the threshold."""
    layers = tuple(one for one in _too_low(evidence) if evidence.forgets(one) and one.spike_rate > 0)
    if not layers:
        return None
    layer = worst(layers, lambda layer: -layer.own.bias)
    return suspicion(
        "hard_reset",
        layers,
        layer.own.bias,
        -BIAS,
        f"{layer.name} sends {percent(-layer.own.bias)} too little on average, and its neurons reset to a value, "
        "which loses what exceeds the threshold",
        evidence.remedies("hard_reset"),
        changes.subtracting(evidence.plan, evidence.sites(layers)),
    )


def rounding_down(evidence: Evidence) -> Suspicion | None:
    """Neurons cut off what stays below the threshold; half a threshold to start with makes them round."""
    layers = tuple(one for one in _too_low(evidence) if _unstarted(evidence, one) and not evidence.forgets(one))
    if not layers:
        return None
    layer = worst(layers, lambda layer: -layer.own.bias)
    return suspicion(
        "rounding_down",
        layers,
        layer.own.bias,
        -BIAS,
        f"{layer.name} sends {percent(-layer.own.bias)} too little on average: what stays below the threshold at the "
        "end is never sent",
        evidence.remedies("rounding_down"),
        changes.started_half(evidence.plan, evidence.sites(layers)),
    )


def silent(evidence: Evidence) -> Suspicion | None:
    """Neurons never spike, though they should."""
    layers = evidence.above(lambda layer: layer.silent, SILENT)
    if not layers:
        return None
    layer = worst(layers, lambda layer: layer.silent)
    unstarted = [one for one in layers if _unstarted(evidence, one)]
    longer = changes.longer(evidence.plan)
    half = evidence.remedies("rounding_down") if unstarted else ()
    return suspicion(
        "silent",
        layers,
        layer.silent,
        SILENT,
        f"{percent(layer.silent)} of the neurons of {layer.name} never spike, though their activation is above half "
        "of what one spike stands for",
        (*evidence.remedies("silent"), *half),
        _both(longer, evidence.sites(unstarted)),
    )


def steps(evidence: Evidence) -> Suspicion | None:
    """Too little time: the accuracy still rises, or one spike stands for more than most activations."""
    over_time = evidence.figures.over_time
    rise = over_time[-1] - over_time[-(len(over_time) // 4) - 1]
    layers = evidence.above(lambda layer: layer.coarseness, COARSE)
    still_rises = rise > evidence.figures.allowed
    if not (still_rises or layers):
        return None
    why = [f"the accuracy still rises, by {points(rise)} in the last quarter of the time"] if still_rises else []
    if layers:
        layer = worst(layers, lambda layer: layer.coarseness)
        why.append(
            f"one spike of {layer.name} stands for {layer.coarseness:.2g} times its mean positive activation, so most "
            "of them cannot be told from zero"
        )
    return suspicion(
        "steps",
        layers,
        rise if still_rises else layer.coarseness,
        evidence.figures.allowed if still_rises else COARSE,
        "; ".join(why),
        evidence.remedies("steps"),
        changes.longer(evidence.plan),
    )


def too_early(evidence: Evidence) -> Suspicion | None:
    """Neurons spike before the input that would have kept them silent has come, and cannot take it back."""
    rising = evidence.above(lambda layer: layer.own.bias, BIAS)
    layers = tuple(one for one in rising if not evidence.layerwise(one) and abs(evidence.weight(one) - 1) <= WEIGHT)
    if not layers:
        return None
    layer = worst(layers, lambda layer: layer.own.bias)
    return suspicion(
        "too_early",
        layers,
        layer.own.bias,
        BIAS,
        f"{layer.name} sends {percent(layer.own.bias)} too much on average: its neurons spike before the input comes "
        "that would have kept them silent",
        evidence.remedies("too_early"),
        changes.recalling(evidence.plan, evidence.sites(layers)),
    )


def accumulated(evidence: Evidence) -> Suspicion | None:
    """Each layer alone is close, and together they are not."""
    layers = evidence.figures.layers
    if len(layers) < 3:
        return None
    first, last = layers[0], layers[-1]
    beyond = last.network.error / max(last.own.error, first.network.error, 1e-12)
    if not beyond > GROWTH:
        return None
    return suspicion(
        "accumulated",
        (last,),
        beyond,
        GROWTH,
        f"errors add up with depth: {last.name} alone is {percent(last.own.error)} off, with all layers before it "
        f"{percent(last.network.error)} ({first.name}: {percent(first.network.error)})",
        evidence.remedies("accumulated"),
    )


def _too_low(evidence: Evidence) -> tuple[Layer, ...]:
    """The layers that send too little of themselves, and not because they saturate or their spikes are worth less."""
    low = evidence.above(lambda layer: -layer.own.bias, BIAS)
    return tuple(layer for layer in low if layer.saturated <= SATURATED and abs(evidence.weight(layer) - 1) <= WEIGHT)


def _unstarted(evidence: Evidence, layer: Layer) -> bool:
    """Whether its neurons could start at half a threshold and do not."""
    return evidence.head_start(layer) < 0.25


def _both(longer: Change | None, names: list[str]) -> Change | None:
    """More time, and half a threshold to start with where there is none."""
    if longer is None or not names:
        return longer
    started = changes.started_half(longer.plan, names)
    return Change(started.plan, f"{longer.what}, and {started.what}")
