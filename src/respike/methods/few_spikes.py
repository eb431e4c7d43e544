"""FS conversion (Stöckl and Maass): each activation in K steps of one neuron, whose spikes halve in weight."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import groupby

import torch
from torch import Tensor

from respike.calibrate import (
    ActivationStatistics,
    Calibration,
    image_batches,
    largest_units,
    least_squares_units,
    observe,
    site,
)
from respike.errors import InvalidOption, OutsideFitWarning
from respike.fitting import Density, fit_activation
from respike.ir import Activation, Analog, Network, ReLU, ceiling, evaluate
from respike.methods.citations import FEW_SPIKES
from respike.methods.method import published
from respike.methods.remedy import Remedy
from respike.methods.search import SWITCH, Whole
from respike.neurons import FewSpikes
from respike.plan import Plan, Quantity, Site
from respike.schedule import Layerwise

_MEMORY = 2**29
"""Bytes that the images which go through the network in one batch may take."""
_SAMPLES = 2**18
"""Inputs of a population that its fitted neuron is calibrated on, at most."""
_OUTSIDE = 1e-3
"""The share of inputs outside a fit's range from which on it is worth a warning."""


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
    steps: int = 8,
    alpha: float | None = None,
    least_squares: bool = True,
    per_channel: bool = True,
    half_unit: bool = True,
    correct_bias: bool = True,
    analog: tuple[str, ...] = (),
) -> Plan:
    """Few-spikes neurons: K bits an activation, about one spike a neuron.

    The neuron of a ReLU delivers `u · clip(floor(x / u), 0, 2^K - 1)` with the unit `u = alpha · 2^-K`. Other functions
    get neurons fitted to the inputs that their layer sees (`fitting.fit_activation`). What no neuron computes
    (attention, gates) must be named in `analog`.

    *Paper*: one global alpha = 25, K = 10; Eq. 1 to 3. Its program fires at `v > T`; see `neurons.FewSpikes`.
    *As built*: with `alpha=25, half_unit=False, correct_bias=False` the paper's. By default units come from
    calibration, for every channel; an initial potential of half a unit rounds to the nearest in place of down; and what
    quantisation still changes in the mean input of each channel is given back as an extra current, layer by layer
    (not in recurrent layers, whose neurons must be the same at every time step).

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: K, the steps of each layer.
        alpha: one global range of all layers, as in the paper; from calibration unless given.
        least_squares: units with the least squared error; off, the largest activation is the largest value.
        per_channel: one unit for each channel in place of one for the layer.
        half_unit: start at half a unit, which rounds to the nearest.
        correct_bias: give back each channel's mean error.
        analog: names of nodes that stay analog, or patterns of names (`*gate*`).
    """
    neuron = FewSpikes(steps)
    if alpha is not None and not alpha > 0:
        raise InvalidOption(f"alpha must be positive, got {alpha:g}")
    offset = 0.5 if half_unit else 0.0
    kept = _matching(network, analog)
    images = _images(network, calibration)
    seen = observe(network, calibration, per_channel=per_channel) if alpha is None else {}
    sites: dict[str, Site] = {}
    for nodes in _populations(network, kept):
        first = nodes[0]
        if not isinstance(first.function, ReLU):
            one = _fitted(network, nodes, images, steps)
        elif alpha is not None:
            one = _rounding(first, alpha * 2.0**-steps, neuron, offset)
        else:
            together = _together(seen[node.name] for node in nodes)
            one = _rounding(first, _unit(together, steps, offset, least_squares), neuron, offset)
        sites |= {node.name: one for node in nodes}
    if correct_bias or any(one.neuron.domain for one in sites.values()):
        sites = _corrected(network, sites, images, correct_bias)
    return Plan(sites=sites, schedule=Layerwise(steps), analog=kept)


def _matching(network: Network, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The activations and analog nodes that the patterns name."""
    names = [node.name for node in network.nodes if isinstance(node, Activation | Analog)]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InvalidOption(f"analog: no activation or analog node is called {pattern!r} ({', '.join(names)})")
    return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def _populations(network: Network, analog: tuple[str, ...]) -> Iterable[list[Activation]]:
    """The activations of each population: one, or all time steps of a recurrent layer, whose neurons are the same."""
    spiking = [node for node in network.activations if node.name not in analog]
    for _, nodes in groupby(sorted(spiking, key=_population), key=_population):
        yield list(nodes)


def _population(node: Activation) -> str:
    return node.population or node.name


def _together(parts: Iterable[ActivationStatistics]) -> ActivationStatistics:
    first, *rest = parts
    for part in rest:
        first = ActivationStatistics(
            first.values + part.values,
            torch.maximum(first.maximum, part.maximum),
            (first.mean * first.values + part.mean * part.values) / (first.values + part.values),
            first.histogram + part.histogram,
        )
    return first


def _rounding(node: Activation, unit: Quantity, neuron: FewSpikes, offset: float) -> Site:
    scaled = site(node.name, unit, ceiling(node.function) / neuron.largest, neuron=neuron)
    return replace(scaled, initial_potential=scaled.threshold * offset)


def _unit(seen: ActivationStatistics, steps: int, offset: float, least_squares: bool) -> Quantity:
    units = least_squares_units(seen, steps, offset) if least_squares else largest_units(seen, steps)
    return units if len(units) > 1 else float(units)


@torch.no_grad()
def _fitted(network: Network, nodes: list[Activation], images: Tensor, steps: int) -> Site:
    """The site of another function than ReLU: its neuron is fitted to the inputs that the population sees."""
    inputs = network.values((images,), keep=[node.inputs[0] for node in nodes])
    samples = torch.cat([value.flatten() for value in inputs.values()])
    samples = samples[:: max(1, len(samples) // _SAMPLES)].double()
    low, high = float(samples.min()), float(samples.max())
    margin = 0.05 * (high - low) + 1e-3
    neuron = fit_activation(nodes[0].function, steps, low=low - margin, high=high + margin, density=Density.of(samples))
    return Site(1.0, neuron=neuron)


def _images(network: Network, calibration: Calibration) -> Tensor:
    """The first images of the calibration set, as many as fit into memory with all that is alive at one time."""
    largest = max(network.neurons(node.name) for node in network.nodes)
    limit = max(16, _MEMORY // (8 * largest * network.dtype.itemsize))
    batches, images = [], 0
    for batch in image_batches(network, calibration):
        batches.append(batch[: limit - images])
        images += len(batches[-1])
        if images >= limit:
            break
    return torch.cat(batches)


@torch.no_grad()
def _corrected(network: Network, sites: Mapping[str, Site], images: Tensor, correct_bias: bool) -> dict[str, Site]:
    """Sites whose extra currents make the mean input of each channel what it is in the network.

    Goes through the network once, with the values of the network and those of the spiking network so far side by side.
    Warns of inputs that fitted neurons were not fitted to, also where no bias is corrected.
    """
    exact, coded = network.check_inputs((images,)), network.check_inputs((images,))
    last_reader = {name: node.name for node in network.nodes for name in node.inputs}
    corrected = dict(sites)
    for node in network.nodes:
        if not node.inputs:
            continue
        wanted, found = [exact[name] for name in node.inputs], [coded[name] for name in node.inputs]
        exact[node.name] = evaluate(node, wanted)
        if isinstance(node, Activation) and node.name in sites:
            if correct_bias and not node.population:
                lost = _channel_means(wanted[0]) - _channel_means(found[0])
                corrected[node.name] = replace(sites[node.name], extra_current=lost)
            coded[node.name] = _delivered(node.name, corrected[node.name], found[0])
        else:
            coded[node.name] = evaluate(node, found)
        for name in node.inputs:
            if last_reader[name] == node.name:
                exact.pop(name, None)
                coded.pop(name, None)
    return corrected


def _channel_means(values: Tensor) -> Tensor:
    return values.transpose(0, 1).flatten(1).mean(1)


def _delivered(name: str, site: Site, current: Tensor) -> Tensor:
    """What a population delivers; warns where it leaves the range that its neuron was fitted to."""
    numbers, neuron = site.like(current), site.neuron
    potential = current + numbers.initial_potential + numbers.extra_current
    if neuron.domain is not None:
        low, high = neuron.domain
        outside = float(((potential < low) | (potential > high)).double().mean())
        if outside > _OUTSIDE:
            warnings.warn(
                f"layer {name!r}: {100 * outside:.1f} % of its inputs are outside the range [{low:.3g}, "
                f"{high:.3g}] that its neuron was fitted to: more steps "
                "keep the layers before it closer to the network",
                OutsideFitWarning,
                stacklevel=5,
            )
    _, _, delivered = neuron.fire_window(potential, numbers.threshold)
    return delivered * numbers.spike_value
