"""FS conversion (Stöckl and Maass): each activation in K steps of one neuron, whose spikes halve in weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Annotated

import torch
from torch import Tensor

from respike import refine
from respike.bounds import Bounds, Positive
from respike.calibrate import Calibration, first_images, largest_units, observe, site, together
from respike.citations import FEW_SPIKES
from respike.errors import InvalidOption
from respike.fitting import Density, fit_activation
from respike.ir import Activation, Analog, Identity, Network, ReLU, ceiling
from respike.methods.method import published
from respike.methods.remedy import Remedy
from respike.methods.search import SWITCH, Whole
from respike.neurons import FewSpikes
from respike.neurons.few_spikes import MOST_STEPS
from respike.plan import Plan, Quantity, Site
from respike.refine.front_to_back import front_to_back
from respike.refine.sites import groups
from respike.schedule import Layerwise

_MEMORY = 2**29
"""Bytes that the images which go through the network in one batch may take."""
_SAMPLES = 2**18
"""Inputs of a population that its fitted neuron is calibrated on, at most."""


def _saturating(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    if plan.options["alpha"] is not None:
        return _wasting(plan, reach)
    return (Remedy({"least_squares": False}, note="which makes the largest calibration activation the largest value"),)


def _wasting(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    if plan.options["alpha"] is None:
        return ()
    return (Remedy({"alpha": None}, note="units then come from calibration, for each channel"),)


def _rounding_down(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    return (Remedy({"half_unit": True}, note="which rounds to the nearest"),)


@published(
    FEW_SPIKES,
    search={"steps": Whole(1, 12), "per_channel": SWITCH, "half_unit": SWITCH, "correct_bias": SWITCH},
    remedies={"saturation": _saturating, "wasted_range": _wasting, "rounding_down": _rounding_down},
)
def few_spikes(
    network: Network,
    calibration: Calibration,
    *,
    steps: Annotated[int, Bounds(1, MOST_STEPS, whole=True)] = 8,
    alpha: Positive | None = None,
    least_squares: bool = True,
    per_channel: bool = True,
    half_unit: bool = True,
    correct_bias: bool = True,
    analog: tuple[str, ...] = (),
) -> Plan:
    """Sends each activation as K bits, with about one spike per neuron.

    The neuron of a ReLU delivers `u · clip(floor(x / u), 0, 2^K - 1)` with the unit `u = alpha · 2^-K`. Other
    functions get neurons that are fitted to the inputs of their layer (`fitting.fit_activation`). Nodes that no neuron
    can compute (attention, gates) must be named in `analog`.

    *Paper*: one global alpha = 25, K = 10; Eq. 1 to 3. Its program fires at `v > T`; see `neurons.FewSpikes`.
    *As built*: with `alpha=25, half_unit=False, correct_bias=False` the paper's. By default units come from
    calibration, for every channel; an initial potential of half a unit rounds to the nearest instead of down; and an
    extra current corrects what quantisation still changes in the mean input of each channel, layer by layer (not in
    recurrent layers, whose neurons must be the same at every time step).

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: K, the steps of each layer.
        alpha: one range for all layers, as in the paper; chosen by calibration if not given.
        least_squares: choose units with the least squared error; if off, the largest activation is the largest value.
        per_channel: one unit for each channel instead of one for the layer.
        half_unit: start with half a unit of potential, which rounds to the nearest.
        correct_bias: correct each channel's mean error.
        analog: names of nodes that stay analog, or patterns of names (`*gate*`).
    """
    images = first_images(network, calibration, limit(network))
    kept = matching(network, analog)
    spiking = {node.name: Site(1.0, neuron=FewSpikes(steps)) for node in network.activations if node.name not in kept}
    plan = Plan(sites=spiking, schedule=Layerwise(steps), analog=kept)
    plan = fitted(plan, network, images, steps)
    if alpha is not None:
        plan = _in_units(plan, network, dict.fromkeys(spiking, alpha * 2.0**-steps))
    elif not least_squares:
        plan = _in_units(plan, network, _largest(plan, network, calibration, per_channel))
    if half_unit:
        plan = refine.initial_potential(plan)
    if alpha is None and least_squares:
        plan = refine.least_squares(plan, network, calibration, per_channel=per_channel)
    if correct_bias:
        plan = refine.correct_biases(plan, network, images, images=len(images))
    elif any(site.neuron.domain for site in plan.sites.values()):
        front_to_back(network, plan, images, len(images), lambda layer: layer.site)  # warns of inputs outside the fits
    return plan


def matching(network: Network, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The activations and analog nodes that the patterns name."""
    names = [node.name for node in network.nodes if isinstance(node, Activation | Analog)]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InvalidOption(f"analog: no activation or analog node is called {pattern!r} ({', '.join(names)})")
    return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def _in_units(plan: Plan, network: Network, units: Mapping[str, Quantity]) -> Plan:
    """The plan whose few-spikes neurons have these units, at most those that a clip (ReLU6) allows."""
    sites = dict(plan.sites)
    for node in network.activations:
        if node.name in sites and sites[node.name].neuron.domain is None:
            neuron = sites[node.name].neuron
            sites[node.name] = site(node.name, units[node.name], ceiling(node.function) / neuron.largest, neuron=neuron)
    return replace(plan, sites=sites)


def _largest(plan: Plan, network: Network, calibration: Calibration, per_channel: bool) -> dict[str, Quantity]:
    """Units with which the largest activation is the largest value."""
    seen = observe(network, calibration, per_channel=per_channel)
    units: dict[str, Quantity] = {}
    for nodes in groups(network, plan):
        levels = plan.sites[nodes[0].name].neuron.largest
        unit = largest_units(together([seen[node.name] for node in nodes]), levels)
        units |= dict.fromkeys([node.name for node in nodes], unit if len(unit) > 1 else float(unit))
    return units


@torch.no_grad()
def fitted(plan: Plan, network: Network, images: Tensor, steps: int) -> Plan:
    """The plan with fitted neurons for other functions than ReLU, fitted to the inputs that each population sees."""
    sites = dict(plan.sites)
    for nodes in groups(network, plan):
        function = nodes[0].function
        if isinstance(function, ReLU | Identity):
            continue
        inputs = network.values((images,), keep=[node.inputs[0] for node in nodes])
        samples = torch.cat([value.flatten() for value in inputs.values()])
        samples = samples[:: max(1, len(samples) // _SAMPLES)].double()
        low, high = float(samples.min()), float(samples.max())
        margin = 0.05 * (high - low) + 1e-3
        neuron = fit_activation(function, steps, low=low - margin, high=high + margin, density=Density.of(samples))
        sites |= {node.name: Site(1.0, neuron=neuron) for node in nodes}
    return replace(plan, sites=sites)


def limit(network: Network) -> int:
    """How many images fit into memory with all that is alive at one time."""
    largest = max(network.neurons(node.name) for node in network.nodes)
    return max(16, _MEMORY // (8 * largest * network.dtype.itemsize))
