"""What to change: what the method that made the plan advises (`Method.remedies`), or else what holds for every plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from respike.methods import Method
from respike.methods.remedy import Remedies, Remedy
from respike.neurons import Subtract
from respike.plan import Plan
from respike.schedule import InputThenDrain, Layerwise, Steady

FEW_SPIKES = Remedy(method="few_spikes", note="in which each layer waits for its whole input")


def remedies(rule: str, plan: Plan, method: Method[Any] | None, reach: float = 1.0) -> tuple[Remedy, ...]:
    """What may help where a rule has found something, the best first.

    Args:
        rule: its name.
        plan: the plan that it is about.
        method: the method that made the plan; None for a plan made by hand.
        reach: how far activations reach, in multiples of the largest value that spikes can send.
    """
    stated = method.remedies[rule](plan, reach) if method is not None and rule in method.remedies else ()
    return tuple(remedy for remedy in stated if _changes(remedy, plan)) or _USUAL[rule](plan, reach)


def _changes(remedy: Remedy, plan: Plan) -> bool:
    """Whether a plan would be another one: no advice to set an option to what it is."""
    same = remedy.method in ("", plan.method) and not remedy.refinement
    return not (same and remedy.options and all(plan.options.get(name) == v for name, v in remedy.options.items()))


def longer(plan: Plan, reach: float = 1.0) -> tuple[Remedy, ...]:
    """For too little time."""
    match plan.schedule:
        case Steady(steps=steps):
            return (Remedy({"steps": 2 * steps}, note="more time"),)
        case InputThenDrain(steps=steps) if "steps" in plan.options:
            return (Remedy({"steps": 2 * steps}, note="more time"),)
        case InputThenDrain(input_steps=given, drain_steps=drained):
            return (Remedy({"input_steps": 2 * given, "drain_steps": 2 * drained}, note="more time"),)
        case Layerwise(window=window):
            return (Remedy({"steps": window + 2}, note="finer values, as each step halves the unit"),)


def half(plan: Plan, reach: float = 1.0) -> tuple[Remedy, ...]:
    """For neurons that round down."""
    return (Remedy(refinement="initial_potential", note="half a threshold to start with, which rounds to the nearest"),)


def _wider(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    """For activations above the coding's maximum."""
    if not plan.method:
        by_hand = Remedy(note=f"raise threshold and spike_value of its site {reach:.3g} times")
        return by_hand, Remedy(method="max_norm", note="which chooses them")
    exceeded = (
        f"{plan.method} scales by calibration images, which these images exceed: give it more of them, prepared as "
        "these are (same pixel range and normalisation)"
    )
    return (Remedy(note=exceeded),)


def _narrower(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    """For thresholds far above all activations."""
    if not plan.method:
        by_hand = Remedy(note=f"lower threshold and spike_value of its site to {reach:.3g} of what they are")
        return by_hand, Remedy(method="max_norm", note="which chooses them")
    outliers = "which lets a few outliers saturate; and look for outliers among the calibration images"
    return (Remedy({"percentile": 99.9}, "percentile_norm", note=outliers),)


def _percentile(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    """For thresholds that outliers have set."""
    return (Remedy({"percentile": 99.9}, "percentile_norm", note="which lets a few outliers saturate"),)


def _subtract(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    """For neurons that lose what exceeds the threshold."""
    if "reset" in plan.options:
        return (Remedy({"reset": Subtract()}),)
    return (Remedy(note="Site(neuron=IntegrateFire(Subtract()))"),)


def _finer(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    """For errors that add up from layer to layer."""
    return longer(plan) if isinstance(plan.schedule, Layerwise) else (*longer(plan), FEW_SPIKES)


def _early(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    """For spikes that come before what would have kept them back."""
    return FEW_SPIKES, Remedy(refinement="signed", note="neurons that recall spikes")


def _unknown(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    """For what no rule explains."""
    return *longer(plan), Remedy(note="another method: compare several")


def _note(text: str) -> Remedies:
    return lambda plan, reach: (Remedy(note=text),)


_PREPARED = "check that the images are prepared as for training (pixel range, normalisation)"
_USUAL: Mapping[str, Remedies] = {
    "saturation": _wider,
    "wasted_range": _narrower,
    "outliers": _percentile,
    "spike_value": _note("leave spike_value out of the Site: a spike then delivers the threshold"),
    "steps": longer,
    "silent": longer,
    "rounding_down": half,
    "hard_reset": _subtract,
    "accumulated": _finer,
    "too_early": _early,
    "unexplained": _unknown,
    "noisy_input": _note("the image as a constant current (coding constant), or more steps"),
    "momentary_max": _note("in the plan, max_pooling=AccumulatedMax()"),
    "draining_bias": _note("in the plan, schedule=InputThenDrain(…, bias_while_draining=False)"),
    "readout": _note(
        "in the plan, readout=Membrane() (potentials, which spikes of output neurons only round and clip) and "
        "max_pooling=AccumulatedMax()"
    ),
    "dead": _note(_PREPARED),
    "wrong_network": _note(
        "prepare the images as for its training (pixel range, normalisation, order of channels and of classes); "
        "no conversion can do better than the network"
    ),
}
"""By rule, for methods that say nothing of it and for plans made by hand."""
