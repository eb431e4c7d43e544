"""ECC's four methods and three ingredients, as the authors' public program runs them, and our repair in time."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from papers.workbench import Subject

from respike import Plan, load, methods, refine, zoo
from respike.ir import BatchNorm, Network
from respike.passes import STANDARD, prepare
from respike.plan import Membrane
from respike.schedule import Steady

KERAS_EPSILON = 1e-3
"""The batch norms' epsilon of the paper's networks."""


@cache
def _normalised(subject: Subject) -> Plan:
    """ECC's normalisation alone, its output spiking; calibrated once for all plans."""
    return methods.ecc(subject.network, subject.calibration, steps=1, eta=0.0, spiking_output=True)


def largest(subject: Subject, steps: int, *, spiking_output: bool = False) -> Plan:
    """The program's 2017-SNN: ECC's normalisation by the largest activation, without residual elimination."""
    plan = _normalised(subject)
    return replace(plan, schedule=Steady(steps), readout=plan.readout if spiking_output else Membrane())


def ecc(subject: Subject, steps: int, *, eta: float = 0.5, spiking_output: bool = False) -> Plan:
    """`methods.ecc`, from one calibration."""
    return refine.residual_elimination(largest(subject, steps, spiking_output=spiking_output), eta=eta)


def rmp(subject: Subject, steps: int, factor: float) -> Plan:
    """The program's RMP-SNN: every threshold times the factor, weights and biases as they were, so it compounds.

    A layer that sends 1 / factor times as many spikes gives the next one that much more current, whose threshold is
    smaller again: after n layers, rates are up to factor^-n times too large, but for what saturates.
    """
    return with_thresholds(largest(subject, steps), factor)


def rmp_once(subject: Subject, steps: int, factor: float) -> Plan:
    """The same thresholds with spikes that are worth their threshold: the factor does not compound."""
    return with_thresholds(largest(subject, steps), factor, with_value=True)


def with_thresholds(plan: Plan, factor: float, *, with_value: bool = False) -> Plan:
    """The plan with all thresholds times the factor, and what a spike delivers too where it is asked for."""
    sites = {
        name: replace(
            site,
            threshold=site.threshold * factor,
            spike_value=site.threshold * factor if with_value else site.spike_value,
        )
        for name, site in plan.sites.items()
    }
    return replace(plan, sites=sites)


def percentile(subject: Subject, steps: int) -> Plan:
    """2017-SNN as Rueckauer et al. published it: the 99.9th percentile of the activations."""
    return methods.percentile_norm(subject.network, subject.calibration, steps=steps)


def unnormalised(subject: Subject, steps: int) -> Plan:
    """No normalisation: thresholds and spikes of 1, the image encoded into spikes as ECC does."""
    plan = largest(subject, steps)
    sites = {name: replace(site, threshold=1.0, spike_value=1.0) for name, site in plan.sites.items()}
    return replace(plan, sites=sites)


def repaired(subject: Subject, steps: int, *, upfront: bool = True, signed: bool = True) -> Plan:
    """ECC in time, with half a threshold on each membrane before the first step, and spikes that can be recalled."""
    plan = refine.initial_potential(largest(subject, steps), share=0.5) if upfront else ecc(subject, steps)
    return refine.signed(plan) if signed else plan


def with_epsilon(subject: Subject, epsilon: float) -> Network:
    """The network with batch norms of another epsilon, folded."""
    raw = load(zoo.load(subject.name), subject.test.take(8).images, passes=())
    nodes = tuple(replace(node, epsilon=epsilon) if isinstance(node, BatchNorm) else node for node in raw.nodes)
    return prepare(replace(raw, nodes=nodes), STANDARD)
