"""Quantised networks: activations of known levels become populations, without calibration (Bu et al. 2022)."""

from __future__ import annotations

from respike import refine
from respike.bounds import StepCount, StepCountOrNone
from respike.calibrate import Calibration
from respike.citations import BU_2022_QCFS, FEW_SPIKES, YOU_2024
from respike.errors import Argument, InvalidOption, InvalidPlan
from respike.ir import Network, QuantisedReLU
from respike.ir.functions import ROUNDING
from respike.methods.method import published
from respike.methods.search import SWITCH, Steps
from respike.neurons import LevelSpikes, SignedIntegrateFire
from respike.plan import Plan, Site
from respike.schedule import InputThenDrain, Layerwise, Schedule, Steady


def _has_levels(network: Network) -> bool:
    return all(isinstance(node.function, QuantisedReLU) for node in network.activations)


@published(BU_2022_QCFS, YOU_2024, FEW_SPIKES, search={"steps": Steps(start=8), "signed": SWITCH}, suits=_has_levels)
def quantised(
    network: Network,
    *,
    steps: StepCount | None = None,
    signed: bool = False,
    drain_steps: StepCountOrNone = 0,
    layerwise: bool = False,
) -> Plan:
    """Takes the thresholds of a network that was trained with quantised activations; no calibration images are needed.

        f(x) = λ / L · clip(floor(x L / λ + φ), 0, L):   θ = λ,   v(0) = φ θ

    *Paper* (Bu et al. 2022, QCFS): as above, reset by subtraction, any number T of steps. With T = L a neuron whose
    current is the same at every step sends exactly the trained value; behind the first layer, spikes come unevenly, and
    some neurons are a spike off.
    *As built*: also with φ other than 1/2, and where layers have different levels; neurons start with a ten-thousandth
    of a step more, so that a value that stands at a step is not lost to rounding. `signed` neurons (You et al. 2024)
    take spikes back, θ = λ T / L, and send L spikes at most in all: behind enough steps without input (`drain_steps`:
    L for each layer are enough) every value is exactly the trained one. With `layerwise`, neurons collect their whole
    input and fire for K = ⌊log2 L⌋ + 1 steps; every value is exactly the trained one, in one pass.

    Args:
        network: the network to convert; all activations are quantised.
        steps: time steps with input, T; the largest L unless given.
        signed: neurons also send spikes of -1, which take back what they sent too early.
        drain_steps: steps without input behind them, for signed neurons.
        layerwise: neurons fire one layer after the other, in spikes that halve in worth.
    """
    levels = _levels(network)
    if layerwise and (steps is not None or signed or drain_steps):
        raise InvalidOption(
            Argument("layerwise"),
            " neurons have as many steps as their levels need: leave steps, signed and drain_steps out",
        )
    if drain_steps and not signed:
        raise InvalidOption(
            Argument("drain_steps"), " would let neurons send more than their largest level: use ", Argument("signed")
        )
    given = max(levels.values()) if steps is None else steps
    sites = {
        node.name: _site(node.name, node.function, given, signed, layerwise)
        for node in network.activations
        if isinstance(node.function, QuantisedReLU)
    }
    schedule: Schedule = InputThenDrain(given, drain_steps) if drain_steps else Steady(given)
    if layerwise:
        schedule = Layerwise(max(site.neuron.window or 1 for site in sites.values()))
    return Plan(sites=sites, schedule=schedule)


def rounding(network: Network, calibration: Calibration, *, steps: int, per_channel: bool) -> Plan:
    """What methods for quantised networks start from: the trained levels, and for other networks the best `steps`.

    Without trained levels thresholds have the least squared error for `steps` levels, and neurons start at half of it.
    """
    if quantised.suits(network):
        return quantised(network, steps=steps)
    plan = Plan(sites={node.name: Site(1.0) for node in network.activations}, schedule=Steady(steps))
    return refine.least_squares(refine.initial_potential(plan), network, calibration, per_channel=per_channel)


def _levels(network: Network) -> dict[str, int]:
    """The levels of each activation; refused where one has none."""
    for node in network.activations:
        if not isinstance(node.function, QuantisedReLU):
            raise InvalidPlan(
                f"layer {node.name!r} computes {node.function}, which has no levels: the method quantised is for "
                "networks that were trained with quantised activations; use the method calibrated"
            )
    if not network.activations:
        raise InvalidPlan("the network has no activations, so there is nothing to convert")
    return {node.name: node.function.levels for node in network.activations if isinstance(node.function, QuantisedReLU)}


def _site(name: str, function: QuantisedReLU, steps: int, signed: bool, layerwise: bool) -> Site:
    # A value that is passed on from layer to layer stands at a step, and must not fall below it by rounding: neurons
    # take what the function takes as one.
    share = function.offset + ROUNDING
    if layerwise:
        return Site(function.unit, initial_potential=share * function.unit, neuron=LevelSpikes(function.levels))
    if not signed:
        return Site(function.ceiling, initial_potential=share * function.ceiling)
    if steps < function.levels:
        raise InvalidOption(
            Argument("steps"),
            f": layer {name!r} has {function.levels} levels, which {steps} steps of one spike cannot tell apart; "
            f"use {function.levels} or more, or neurons that are not signed",
        )
    threshold = function.unit * steps
    neuron = SignedIntegrateFire(most_total=function.levels)
    return Site(threshold, initial_potential=share * threshold, neuron=neuron)
