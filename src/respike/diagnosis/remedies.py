"""What to change, in words: the option of the method that made the plan, or the number in a plan made by hand."""

from __future__ import annotations

from respike.diagnosis.result import Layer
from respike.plan import Plan, SpikeCount
from respike.schedule import InputThenDrain, Layerwise, Steady


def wider(plan: Plan, layer: Layer) -> str:
    """For activations above the coding's maximum."""
    match plan.method:
        case "percentile_norm":
            given = float(str(plan.options["percentile"]))
            raised = next((p for p in (99.9, 99.99) if p > given), 100.0)
            return f"--percentile {raised:g} in place of {given:g}, or --method max_norm"
        case "direct_copy":
            return (
                "--method max_norm, which scales each layer by its largest activation; or --method fit, which sends "
                "later what saturation held back"
            )
        case "fit":
            return "more --drain-steps, in which saturated neurons send what they hold"
        case "rmp":
            return "--scale 1, or --method max_norm"
        case "ecc" if not plan.options["current_normalisation"]:
            return "--current-normalisation, which scales by the largest activation"
        case "few_spikes" if plan.options["alpha"] is not None:
            return "leave --alpha out: units then come from calibration, for each channel"
        case "few_spikes":
            return "--no-least-squares, which makes the largest calibration activation the largest value"
        case "":
            return (
                f"raise threshold and spike_value of its site {layer.range_used:.3g} times, or let methods.max_norm "
                "choose them"
            )
        case method:
            return (
                f"{method} scales by calibration images, which these images exceed: give it more of them, prepared as "
                "these are (same pixel range and normalisation)"
            )


def narrower(plan: Plan, reach: float) -> str:
    """For thresholds far above all activations."""
    match plan.method:
        case "model_norm":
            return "--method max_norm: scales from data; the bounds from the weights alone are never reached"
        case "threshold_balancing":
            return "--method rmp --scale 0.8, or --method max_norm"
        case "direct_copy" | "fit":
            return f"--threshold {_threshold(plan) * reach:.2g} or so, or --method max_norm"
        case "few_spikes" if plan.options["alpha"] is not None:
            return "leave --alpha out: units then come from calibration, for each channel"
        case "":
            return (
                f"lower threshold and spike_value of its site to {reach:.3g} of what they are, or let "
                "methods.max_norm choose them"
            )
        case _:
            return (
                "--method percentile_norm --percentile 99.9, which lets a few outliers saturate; and look for outliers "
                "among the calibration images"
            )


def weight(plan: Plan) -> str:
    """For spikes that deliver another value than they cost."""
    match plan.method:
        case "direct_copy":
            return "--threshold 1, or --method fit --threshold X, whose spikes deliver the threshold"
        case _:
            return "leave spike_value out of the Site: a spike then delivers the threshold"


def longer(plan: Plan) -> str:
    """For too little time."""
    match plan.schedule:
        case Steady(steps=steps):
            return f"more time: --steps {2 * steps}"
        case InputThenDrain(input_steps=given, drain_steps=drained):
            return f"more time: --input-steps {2 * given} --drain-steps {2 * drained}"
        case Layerwise(window=window):
            return f"finer values: --steps {window + 2}, each step halves the unit"


def finer(plan: Plan) -> str:
    """For errors that add up from layer to layer."""
    if isinstance(plan.schedule, Layerwise):
        return longer(plan)
    return f"{longer(plan)}; or --method few_spikes, in which each layer waits for its whole input"


def half(plan: Plan) -> str:
    """For neurons that round down."""
    match plan.method:
        case "ecc":
            return "--eta 0.5, ECC's residual elimination"
        case "few_spikes":
            return "--half-unit, which rounds to the nearest"
        case _:
            return (
                "half a threshold to start with, which rounds to the nearest: --method ecc, or "
                "Site(initial_potential=threshold / 2)"
            )


def subtract(plan: Plan) -> str:
    """For neurons that lose what exceeds the threshold."""
    by_hand = "Site(neuron=IntegrateFire(Subtract()))"
    return "--reset subtract" if "reset" in plan.options else by_hand


def constant(plan: Plan) -> str:
    """For an input of spikes."""
    for option in ("poisson", "encoder"):
        if plan.options.get(option):
            return f"--no-{option}: the image as a constant current, or more steps"
    return "--coding constant: the image as a constant current, or more steps"


def potentials(plan: Plan) -> str:
    """For a readout that loses what the last layer delivers."""
    if isinstance(plan.readout, SpikeCount):
        flag = "--no-spiking-output, or " if plan.options.get("spiking_output") else ""
        return f"{flag}readout=Membrane() in the plan: potentials, which spikes of output neurons only round and clip"
    return "max_pooling=AccumulatedMax() in the plan"


def _threshold(plan: Plan) -> float:
    return float(str(plan.options["threshold"]))
