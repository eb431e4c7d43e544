"""Rules about input, pooling and readout."""

from __future__ import annotations

from dataclasses import replace

from respike.coding import ConstantCurrent
from respike.diagnosis.changes import Change
from respike.diagnosis.evidence import Evidence, Suspicion, percent, points, suspicion, worst
from respike.diagnosis.rules.time import BIAS
from respike.ir import AdaptiveMaxPool, MaxPool
from respike.plan import AccumulatedMax, Membrane, MomentaryMax
from respike.schedule import InputThenDrain

NOISE = 0.1
"""The first population's relative error under an input of spikes."""


def noisy_input(evidence: Evidence) -> Suspicion | None:
    """The input's spikes are noisy, or too few."""
    layers = evidence.figures.layers[:1]
    if not (evidence.plan.coding.spiking and layers and layers[0].own.error > NOISE):
        return None
    return suspicion(
        "noisy_input",
        layers,
        layers[0].own.error,
        NOISE,
        f"the image is given as spikes, and {layers[0].name}, which reads them, is {percent(layers[0].own.error)} off",
        evidence.remedies("noisy_input"),
        Change(replace(evidence.plan, coding=ConstantCurrent()), "a constant current"),
    )


def momentary_max(evidence: Evidence) -> Suspicion | None:
    """Max pools on momentary currents overestimate."""
    pools = any(isinstance(node, MaxPool | AdaptiveMaxPool) for node in evidence.network.nodes)
    if not (pools and isinstance(evidence.plan.max_pooling, MomentaryMax)):
        return None
    layers = evidence.above(lambda layer: layer.own.bias, BIAS)
    if not layers:
        return None
    layer = worst(layers, lambda layer: layer.own.bias)
    return suspicion(
        "momentary_max",
        layers,
        layer.own.bias,
        BIAS,
        f"{layer.name} sends {percent(layer.own.bias)} too much on average, and max pools take the maximum of each "
        "moment, which is larger than that of the mean",
        evidence.remedies("momentary_max"),
        Change(replace(evidence.plan, max_pooling=AccumulatedMax()), "accumulated maxima"),
    )


def readout(evidence: Evidence) -> Suspicion | None:
    """The layers are good enough, and their readout is not."""
    if not evidence.figures.layers:
        return None
    last, plan = evidence.figures.layers[-1], evidence.plan
    lost = last.replaced.decision - evidence.figures.after.decision
    if not lost > evidence.figures.allowed:
        return None
    return suspicion(
        "readout",
        (),
        lost,
        evidence.figures.allowed,
        f"{points(lost)} are lost behind the last population: what it sends gives {percent(last.replaced.decision)}",
        evidence.remedies("readout"),
        Change(
            replace(plan, readout=Membrane(plan.readout.after), max_pooling=AccumulatedMax()), "potentials read out"
        ),
    )


def draining_bias(evidence: Evidence) -> Suspicion | None:
    """Biases flow on while draining, and add what the network never computed."""
    schedule = evidence.plan.schedule
    if not (isinstance(schedule, InputThenDrain) and schedule.bias_while_draining and schedule.drain_steps):
        return None
    layers = evidence.above(lambda layer: layer.own.bias, BIAS)
    if not layers:
        return None
    layer = worst(layers, lambda layer: layer.own.bias)
    return suspicion(
        "draining_bias",
        layers,
        layer.own.bias,
        BIAS,
        f"{layer.name} sends {percent(layer.own.bias)} too much on average, and biases flow on for "
        f"{schedule.drain_steps} steps after the input has stopped",
        evidence.remedies("draining_bias"),
        Change(evidence.plan.with_schedule(replace(schedule, bias_while_draining=False)), "biases that stop"),
    )
