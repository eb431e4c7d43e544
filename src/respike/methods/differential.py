"""Differential coding (Huang et al. 2025): spikes say by how much values have changed, on all edges that multiply."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

from respike.bounds import Bounds, StepCount
from respike.calibrate import Calibration
from respike.citations import HUANG_2025
from respike.errors import InvalidPlan
from respike.ir import Activation, Identity, Network, ceiling
from respike.methods.every_edge import every_edge
from respike.methods.method import published
from respike.methods.search import SWITCH, Whole
from respike.neurons import Differential
from respike.neurons.differential import MOST_BITS
from respike.plan import Plan
from respike.schedule import InputThenDrain

_FINER = 2
"""Bits by which the steps together are finer than one of them, where there are some steps; one more for 16 steps."""
_MOST_VALUE_BITS = 12


@published(HUANG_2025, search={"steps": Whole(1, 8), "step_bits": Whole(1, MOST_BITS), "per_channel": SWITCH})
def differential(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 2,
    step_bits: Annotated[int, Bounds(1, MOST_BITS, whole=True)] = 4,
    value_bits: Annotated[int, Bounds(1, _MOST_VALUE_BITS, whole=True)] | None = None,
    per_channel: bool = True,
    analog: tuple[str, ...] = (),
) -> Plan:
    """Runs transformers and other modern networks in time: spikes say by how much values have changed.

    The whole input comes in the first step. Populations stand where `every_edge` puts them, and all of them send in
    every step what brings the sum of their spikes nearest to their input so far (`neurons.Differential`), in units that
    get finer. What no neuron computes is evaluated in every step, on the sum of all that has arrived, and passes on by
    how much its value has changed:

        S ← S + x;   y = f(S) - f(S before)

    so that what it has passed on is always `f(S)`; of a product of spikes this is `dX · Y + X · dY`, additions alone.
    Outputs improve with time. Every evaluation is counted, so steps are not free.

    *Paper*: rates, to which a spike of step t adds `1 / t`; one spike a neuron and step, of several thresholds.
    *As built*: see `neurons.Differential`; units have the least squared error for `value_bits` bits.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        step_bits: n, of what a neuron sends in a step, beside its sign. With 1, one spike.
        value_bits: bits of the values that the steps give together; `step_bits` and up to 2 more unless given, one more
            for every 16 steps.
        per_channel: one unit for each channel, feature or head; if off, one for the layer.
        analog: names of further nodes that stay analog, or patterns of names (`*gate*`).
    """
    if recurrent := [node.name for node in network.activations if node.population]:
        raise InvalidPlan(
            f"layer {recurrent[0]!r} is recurrent: its neurons must be done with one time step of the network before "
            "the next one comes, use the method every_edge"
        )
    finest = value_bits or min(step_bits + min(steps - 1, _FINER + steps // 16), _MOST_VALUE_BITS)
    plan = every_edge(network, calibration, steps=finest, per_channel=per_channel, correct_bias=False, analog=analog)
    weights = falling_powers(steps, max(0, finest - step_bits))
    sites = {}
    for node in plan.on(network).activations:
        if node.name in plan.sites:
            sites[node.name] = replace(plan.sites[node.name], neuron=_neuron(node, step_bits, weights, finest))
    return Plan(sites, InputThenDrain(1, steps - 1), analog=plan.analog, products=plan.products, held=plan.held)


def falling_powers(steps: int, first: int) -> tuple[int, ...]:
    """Powers of two that fall evenly from `2^first` to 1.

    Args:
        steps: how many.
        first: the exponent of the first one.
    """
    last = max(1, steps - 1)
    return tuple(2 ** round(first * (last - t) / last) for t in range(steps))


def _neuron(node: Activation, bits: int, weights: tuple[int, ...], finest: int) -> Differential:
    if isinstance(node.function, Identity):
        return Differential(bits, weights)
    clipped = ceiling(node.function) < math.inf
    return Differential(bits, weights, least_total=0, most_total=2**finest - 1 if clipped else None)
