"""What a chip can hold: its published limits, and how a conversion is held against them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from respike.coding import IntegrateEncoder
from respike.errors import Argument
from respike.hardware.layers import Layer
from respike.plan import Plan
from respike.summarised import Summarised


@dataclass(frozen=True)
class Broken:
    """A limit that a conversion breaks.

    Args:
        layer: where; empty where it is the whole network.
        limit: what is limited.
        found: what the conversion has.
        allowed: what the chip has.
        fix: what would make it fit.
        option: an argument that the fix ends with, which the command line writes as a flag.
    """

    layer: str
    limit: str
    found: str
    allowed: str
    fix: str
    option: Argument | None = None

    @property
    def parts(self) -> tuple[str | Argument, ...]:
        """A line about it, as parts of a message."""
        where = f"layer {self.layer!r}: " if self.layer else ""
        text = f"{where}{self.limit}: {self.found}, the chip has {self.allowed}; {self.fix}"
        return (text,) if self.option is None else (text, self.option)

    def __str__(self) -> str:
        """In one line."""
        return "".join(map(str, self.parts))


@dataclass(frozen=True)
class Need:
    """What one layer takes.

    Args:
        layer: its name.
        neurons: how many.
        weights: how many are stored.
        fan_in: synapses of a neuron, at most.
        cores: how many cores it takes.
    """

    layer: str
    neurons: int
    weights: int
    fan_in: int
    cores: int


Further = Callable[[Sequence[Layer], Plan], list[Broken]]
"""Limits that only one chip has."""
CoresOf = Callable[[Layer], int]
"""How many cores a layer takes."""


@dataclass(frozen=True)
class Chip:
    """A chip and its published limits. None: no limit of that kind is published.

    Args:
        name: as the command line has it.
        title: its full name.
        sources: where the limits are published, one for each fact or group of facts.
        weight_bits: of a weight, its sign among them.
        membrane_bits: of a potential, its sign among them.
        cores: how many there are.
        shared: whether layers share a core; otherwise each takes cores of its own.
        neurons_per_core: the most neurons of a core.
        weights_per_core: the most stored weights of a core.
        bits_per_core: memory of a core for weights and potentials, in bits.
        fan_in: the most synapses of a neuron.
        fan_out: the most targets of a neuron.
        spikes_per_step: the most spikes of a neuron in a step; None where spikes may carry a number.
        signed_spikes: whether spikes may be negative.
        thresholds_per_layer: how many thresholds a layer may have.
        max_pools: whether max pools run.
        analog_input: whether an image may come as a current.
        spiking_output: whether outputs must be spikes.
        further: limits that only this chip has.
        notes: what a person should know of the model of the chip.
    """

    name: str
    title: str
    sources: tuple[str, ...]
    weight_bits: int
    membrane_bits: int
    cores: int
    shared: bool = False
    neurons_per_core: int | None = None
    weights_per_core: int | None = None
    bits_per_core: int | None = None
    fan_in: int | None = None
    fan_out: int | None = None
    spikes_per_step: int | None = 1
    signed_spikes: bool = False
    thresholds_per_layer: int | None = None
    max_pools: bool = False
    analog_input: bool = False
    spiking_output: bool = True
    further: Further | None = field(default=None, compare=False)
    notes: str = ""

    def cores_of(self, layer: Layer) -> int:
        """How many cores a layer takes, by its neurons, its weights and its memory."""
        parts = [1]
        if self.neurons_per_core is not None:
            parts.append(math.ceil(layer.neurons / self.neurons_per_core))
        if self.weights_per_core is not None:
            parts.append(math.ceil(layer.weights / self.weights_per_core))
        if self.bits_per_core is not None:
            bits = layer.weights * self.weight_bits + layer.neurons * self.membrane_bits
            parts.append(math.ceil(bits / self.bits_per_core))
        return max(parts)

    def broken(self, layers: Sequence[Layer], plan: Plan) -> list[Broken]:
        """The limits that these layers break, layer by layer, then those of the whole network."""
        found = [one for layer in layers for one in self._of_layer(layer)]
        if not self.analog_input and not plan.coding.spiking:
            fix, option = "let the image be spikes, ", Argument("coding", IntegrateEncoder())
            found.append(Broken("", "input", "a current in every step", "spikes alone", fix, option))
        if self.spiking_output and layers[-1].site is None:
            fix, option = "let the outputs spike, ", Argument("refine", "spiking_output")
            found.append(Broken(layers[-1].name, "output", "potentials that are read out", "spikes alone", fix, option))
        cores = sum(self.cores_of(layer) for layer in layers)
        if cores > self.cores and not self.shared:
            fix = f"use {math.ceil(cores / self.cores)} chips, or a smaller network"
            found.append(Broken("", "cores", str(cores), str(self.cores), fix))
        return found + (self.further(layers, plan) if self.further is not None else [])

    def _of_layer(self, layer: Layer) -> list[Broken]:
        found = []

        def most(limit: str, value: int, allowed: int | None, fix: str) -> None:
            if allowed is not None and value > allowed:
                found.append(Broken(layer.name, limit, f"{value:,}", f"{allowed:,}", fix))

        most("fan-in", layer.fan_in, self.fan_in, "use smaller kernels, fewer channels, or prune to that many weights")
        most("fan-out", layer.fan_out, self.fan_out, "use smaller kernels or fewer channels in the next layer")
        most("thresholds", layer.thresholds, self.thresholds_per_layer, "use one threshold for each layer")
        if not self.max_pools and any(type(pool).__name__ != "AvgPool" for pool in layer.pools):
            fix = "train with average pools or strides in their place"
            found.append(Broken(layer.name, "max pool", "one", "none", fix))
        if layer.others:
            kinds = ", ".join(sorted({type(node).__name__ for node in layer.others}))
            found.append(
                Broken(layer.name, "operations", kinds, "convolutions, linear maps and sums", "leave them out")
            )
        neuron = None if layer.site is None else layer.site.neuron
        if neuron is None:
            return found
        if neuron.window is not None:
            fix = "use a method of integrate-and-fire neurons"
            found.append(Broken(layer.name, "neuron", neuron.describe(), "integrate-and-fire neurons", fix))
        if neuron.signed and not self.signed_spikes:
            fix = "use a method or a refinement without signed spikes"
            found.append(Broken(layer.name, "spikes", "negative ones", "positive ones alone", fix))
        if self.spikes_per_step is not None and (neuron.most is None or neuron.most > self.spikes_per_step):
            fix = "use a method without bursts, or fewer spikes in a step"
            count = "any number" if neuron.most is None else f"{neuron.most} in a step"
            found.append(Broken(layer.name, "spikes", count, f"{self.spikes_per_step} in a step", fix))
        return found


@dataclass(frozen=True, repr=False)
class Fit(Summarised):
    """How a conversion fits a chip.

    Args:
        chip: the chip.
        needs: what each layer takes.
        broken: the limits that it breaks, the first one first; none where it fits.
        weight_bits: of the weights that were tried.
        membrane_bits: of the potentials that were tried; None where no width was enough.
    """

    chip: Chip
    needs: tuple[Need, ...]
    broken: tuple[Broken, ...]
    weight_bits: int
    membrane_bits: int | None

    @property
    def fits(self) -> bool:
        """Whether no limit is broken."""
        return not self.broken

    @property
    def cores(self) -> int:
        """How many cores it takes."""
        if self.chip.shared:
            return self.chip.cores
        return sum(need.cores for need in self.needs)

    def _summary(self) -> tuple[str, dict[str, str]]:
        verdict = "fits" if self.fits else f"does not fit: {self.broken[0]}"
        return f"{self.chip.title}: {verdict}", {
            "cores": f"{self.cores} of {self.chip.cores}",
            "neurons": f"{sum(need.neurons for need in self.needs):,}",
            "weights": f"{sum(need.weights for need in self.needs):,} of {self.weight_bits} bits",
        }
