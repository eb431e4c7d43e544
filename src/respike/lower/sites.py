"""Sites and codings in other units."""

from __future__ import annotations

from dataclasses import replace

import torch

from respike.coding import Bernoulli, Coding, ConstantCurrent, IntegrateEncoder
from respike.errors import Argument, InvalidPlan
from respike.plan import Membrane, Plan, Quantity, Site, SpikeCount
from respike.schedule import InputThenDrain, Steady


def site_in_unit(name: str, site: Site, unit: Quantity) -> Site:
    """The site with its potential in a unit and spikes of 1."""

    def per_unit(quantity: Quantity) -> Quantity:
        ratio = torch.as_tensor(quantity, dtype=torch.float64) / torch.as_tensor(unit, dtype=torch.float64)
        return float(ratio.flatten()[0]) if bool((ratio == ratio.flatten()[0]).all()) else ratio

    try:
        neuron = site.neuron.in_unit(unit)
    except InvalidPlan as error:
        raise InvalidPlan(f"layer {name!r} {error}") from None
    numbers = (site.threshold, site.initial_potential, site.extra_current)
    threshold, initial, extra = (per_unit(number) for number in numbers)
    return Site(threshold, 1.0, initial, extra, neuron)


def coding_in_unit(coding: Coding, unit: float) -> Coding:
    """The coding of images in another unit; its spikes deliver 1."""
    match coding:
        case Bernoulli(spike_value=value) if value == unit:
            return replace(coding, spike_value=1.0, rate=coding.rate * unit)
        case IntegrateEncoder(threshold=value) if value == unit:
            return IntegrateEncoder(1.0)
        case Bernoulli(spike_value=value) | IntegrateEncoder(threshold=value):
            raise InvalidPlan(
                f"an input spike delivers {value:g}: pass input_unit={value:g}, and give the lowered network "
                f"images divided by {value:g}"
            )
        case ConstantCurrent():
            return coding
        case _:
            raise InvalidPlan(f"{type(coding).__name__} input cannot be lowered yet")


def check_units(plan: Plan) -> None:
    """Raises `InvalidPlan` for schedules and readouts that have not been thought through here."""
    if not isinstance(plan.schedule, Steady | InputThenDrain):
        raise InvalidPlan(f"a {type(plan.schedule).__name__} schedule cannot be lowered yet")
    if plan.analog or plan.products:
        name = next(iter((*plan.analog, *plan.products)))
        raise InvalidPlan(f"layer {name!r} computes with numbers and not with spikes, which cannot be lowered")
    if changing := [name for name, site in plan.sites.items() if site.transient is not None]:
        raise InvalidPlan(
            f"layer {changing[0]!r} has a transient, which cannot be lowered yet: refine the plan by correct_biases, "
            "which gives it a constant extra current instead; the method calibrated does so with ",
            Argument("each_step", False),
        )
    if not isinstance(plan.readout, Membrane | SpikeCount):
        raise InvalidPlan(f"a {type(plan.readout).__name__} readout cannot be lowered yet")
