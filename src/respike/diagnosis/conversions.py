"""Advice that takes a new conversion, made so that it can be tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from respike import methods, refine
from respike.errors import RespikeError
from respike.ir import Network
from respike.methods import Method
from respike.methods.remedy import Remedy
from respike.plan import Plan
from respike.refine import Step
from respike.schedule import Layerwise


def advised(
    remedy: Remedy, plan: Plan, network: Network, method: Method[Any] | None, calibration: Tensor | None
) -> Plan | None:
    """The plan that a remedy means; None where it is only words, needs calibration images, or cannot be made.

    Args:
        remedy: what is advised.
        plan: the plan that lost accuracy; another method gets as many steps, if it counts them in the same way.
        network: the network.
        method: the method that made the plan; None for a plan made by hand.
        calibration: images of the training set.
    """
    target = methods.known(remedy.method) if remedy.method else method
    if target is None or not (remedy.options or remedy.method or remedy.refinement):
        return None
    chosen = target.refined(*([Step(refine.find(remedy.refinement))] if remedy.refinement else []))
    if chosen.needs_calibration and calibration is None:
        return None
    if target is method:
        kept = {name: plan.options[name] for name in target.options if name in plan.options}
        return _made(chosen, network, calibration, {**kept, **remedy.options})
    wanted = {"steps": plan.schedule.steps} if "steps" in target.options else {}
    made = _made(chosen, network, calibration, {**wanted, **remedy.options})
    if made is not None and isinstance(made.schedule, Layerwise) == isinstance(plan.schedule, Layerwise):
        return made
    return _made(chosen, network, calibration, remedy.options)  # its steps are those of a layer, or the other way round


def _made(
    method: Method[Any], network: Network, calibration: Tensor | None, options: Mapping[str, object]
) -> Plan | None:
    try:
        plan = method.plan(network, calibration, **options)
        plan.check(network)
    except RespikeError:
        return None
    return plan
