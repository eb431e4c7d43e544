"""Coarse-to-fine coding: the whole input first, then signed spikes whose worth falls from step to step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

from respike import refine
from respike.bounds import Bounds, Count, StepCount
from respike.calibrate import Calibration
from respike.citations import FEW_SPIKES, LI_2021, WANG_2022
from respike.errors import InvalidPlan
from respike.ir import Network, ceiling
from respike.methods.few_spikes import few_spikes
from respike.methods.method import published
from respike.methods.search import Steps
from respike.neurons import CoarseToFine
from respike.plan import Plan
from respike.schedule import InputThenDrain

_MOST_BITS = 12


@published(FEW_SPIKES, WANG_2022, LI_2021, search={"steps": Steps()})
def coarse_to_fine(
    network: Network,
    calibration: Calibration,
    *,
    steps: StepCount = 8,
    value_bits: Annotated[int, Bounds(1, _MOST_BITS, whole=True)] | None = None,
    images: Count = 64,
) -> Plan:
    """Signed spikes, large values first: a deep network in few steps, all layers under way at once.

    *Paper*: none. *As built*: the whole input comes in the first step, as in FIT with T1 = 1. Neurons send at most one
    spike in a step, of either sign, which is worth `weights[t]` units of their channel (`neurons.CoarseToFine`); from
    about three quarters of `2^value_bits` the weights fall evenly to 1. Units have the least squared error for
    `2^value_bits - 1` values, as in `few_spikes`. The mean input of each channel is corrected in every step
    (`refine.settle`), because the first coarse spikes leave small activations out.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        value_bits: bits of the values that units are chosen for; `2 + steps / 4` unless given.
        images: how many of the calibration images are simulated, at most.
    """
    levels = value_bits or min(_MOST_BITS, 2 + steps // 4)
    plan = few_spikes(network, calibration, steps=levels, correct_bias=False)
    weights = falling(steps, 3 * 2.0**levels / 4)
    sites = {}
    for node in network.activations:
        site, bound = plan.sites[node.name], None if ceiling(node.function) == math.inf else 2**levels - 1
        if site.neuron.domain is not None or node.population:
            raise InvalidPlan(
                f"layer {node.name!r} computes {node.function} or is recurrent, and coarse-to-fine neurons stand for "
                "ReLUs of feed-forward networks: use the method few_spikes"
            )
        sites[node.name] = replace(site, neuron=CoarseToFine(weights, bound))
    return refine.settle(Plan(sites=sites, schedule=InputThenDrain(1, steps - 1)), network, calibration, images=images)


def falling(steps: int, first: float) -> tuple[int, ...]:
    """Whole numbers that fall evenly in their logarithm from the first one to 1, which comes twice.

    Args:
        steps: how many.
        first: the first one.
    """
    last = max(1, steps - 2)
    return tuple(max(1, round(first ** (1 - min(t / last, 1.0)))) for t in range(steps))
