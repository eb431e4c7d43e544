"""`Plan`: the numbers that a conversion chooses. A conversion method is a function that returns one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from torch import Tensor

from respike.coding import Coding, ConstantCurrent
from respike.errors import BiasScaleWarning, InvalidData, InvalidPlan
from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Analog,
    BatchNorm,
    Conv,
    Embedding,
    Identity,
    Input,
    Linear,
    MatMul,
    MaxPool,
    Multiply,
    Network,
    ReLU,
    channelwise,
)
from respike.neurons import IntegrateFire, Neuron
from respike.passes.edges import SPIKES, Made, Weighted, made_of, place
from respike.passes.reweigh import reweighed
from respike.schedule import InputThenDrain, Layerwise, Schedule, Steady
from respike.summarised import Summarised, called, listed

Quantity: TypeAlias = float | Tensor
"""One number for a population, or one per channel: `[channels]`. For neurons with a window, and those on edges, also
`[1, ..., channels]`, where channels come last, and other shapes that broadcast against the population's."""


@dataclass(frozen=True, eq=False)
class Site:
    """A population of spiking neurons in the place of an activation.

    A neuron fires at `threshold`; each spike delivers `spike_value`, in activation units, to the next affine map. Both
    equal give rates that decode to the activation. Weight normalisation and threshold balancing are this, written
    differently (ECC Remark 1). For few-spikes neurons both are units, which the neuron multiplies in each of its steps.
    Numbers are kept on the CPU, wherever they come from; engines take them to the device of the network.

    Args:
        threshold: potential at which a neuron fires; positive.
        spike_value: what one spike delivers; the threshold unless given.
        initial_potential: potential before the first step.
        extra_current: added to the current in every step in which biases are on (ECC Eq. 9).
        neuron: the dynamics.
        transient: added to the current beside, in step t row t, `[steps, channels]`; nothing behind the last row. On
            edges, rows may broadcast as the other numbers do, `[steps, 1, ..., channels]`.
    """

    threshold: Quantity
    spike_value: Quantity | None = None
    initial_potential: Quantity = 0.0
    extra_current: Quantity = 0.0
    neuron: Neuron = field(default_factory=IntegrateFire)
    transient: Tensor | None = None

    def __post_init__(self) -> None:
        if self.spike_value is None:
            object.__setattr__(self, "spike_value", self.threshold)
        for name in ("threshold", "spike_value", "initial_potential", "extra_current", "transient"):
            number = getattr(self, name)
            if isinstance(number, Tensor):
                object.__setattr__(self, name, number.cpu())
        _check("threshold", self.threshold, positive=True)
        _check("spike_value", self.value, positive=True)
        _check("initial_potential", self.initial_potential)
        _check("extra_current", self.extra_current)
        numbers = (self.threshold, self.value, self.initial_potential, self.extra_current)
        on_edges = self.neuron.window is not None or isinstance(self.neuron.computes, Identity)
        if not on_edges and any(torch.as_tensor(one).ndim > 1 for one in numbers):
            raise InvalidPlan(
                f"{self.neuron.describe()} have one number for all, or one for each channel: `[channels]`"
            )
        if self.transient is not None:
            self._check_transient(self.transient, on_edges)
        self.neuron.check(torch.as_tensor(self.threshold))

    def _check_transient(self, transient: Tensor, on_edges: bool) -> None:
        _check("transient", transient)
        if transient.ndim != 2 and not (on_edges and transient.ndim > 2):
            raise InvalidPlan(f"a transient is `[steps, channels]`, got shape {list(transient.shape)}")
        if self.neuron.window is not None:
            raise InvalidPlan(
                f"{self.neuron.describe()} take their whole input at once, so they have no transient: leave it out"
            )

    @property
    def value(self) -> Quantity:
        """`spike_value`, which is never None once the site is made."""
        assert self.spike_value is not None
        return self.spike_value

    def transient_in(self, first: int, steps: int, dimensions: int) -> Tensor | None:
        """The transient in `steps` steps behind the first `first`; None where there is none any more.

        It is `[steps, 1, channels, 1, …]`, or has rows that broadcast in the place of `channels`, to be added to
        currents over time whose batches have so many `dimensions`.
        """
        if self.transient is None or first >= len(self.transient):
            return None
        rows = self.transient[first : first + steps]
        rows = torch.cat([rows, rows.new_zeros(steps - len(rows), *rows.shape[1:])])
        return rows.reshape(steps, 1, *rows.shape[1:], *(1,) * (dimensions - rows.ndim))

    def like(self, batch: Tensor) -> SiteTensors:
        """The site's numbers as tensors that broadcast against `batch` (`[batch, *shape]`), in its type."""

        def shaped(quantity: Quantity) -> Tensor:
            return channelwise(torch.as_tensor(quantity, dtype=batch.dtype, device=batch.device), batch.ndim)

        return SiteTensors(
            shaped(self.threshold), shaped(self.value), shaped(self.initial_potential), shaped(self.extra_current)
        )


@dataclass(frozen=True, eq=False)
class SiteTensors:
    """A site's numbers, shaped for an engine."""

    threshold: Tensor
    spike_value: Tensor
    initial_potential: Tensor
    extra_current: Tensor


@dataclass(frozen=True)
class Membrane:
    """The output is the potential that the last affine map has accumulated; the last layer does not spike.

    Args:
        after: the steps before the readout starts: outputs count from the step after them, and are 0 until then.
    """

    after: int = 0


@dataclass(frozen=True, eq=False)
class SpikeCount:
    """The output neurons spike too, as the population `site`; the output is what their spikes have delivered.

    Args:
        site: the output population.
        after: the steps before the readout starts; see `Membrane`.
    """

    site: Site
    after: int = 0


@dataclass(frozen=True)
class AccumulatedMax:
    """A max pool passes on by how much the maximum of the **accumulated** currents grew: exact in total."""


@dataclass(frozen=True)
class MomentaryMax:
    """A max pool passes on the maximum of the momentary currents. Overestimates; here because others do it."""


Readout: TypeAlias = Membrane | SpikeCount
MaxPooling: TypeAlias = AccumulatedMax | MomentaryMax


@dataclass(frozen=True, eq=False)
class Refined:
    """That a plan was refined: by which refinement (`respike.refine`), and with which options."""

    name: str
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """As a call: `initial_potential(share=0.5)`."""
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.name}({options})" if options else self.name


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Summarised):
    """All that a conversion decides.

    Args:
        sites: a population for each activation, by the activation's name. Others stand on edges: `VALUE@spikes` sends
            the value of a node to the linear layers, convolutions and products that read it (`on`); sums, norms and
            outputs still read the value itself.
        schedule: how long, and when input and biases are on.
        coding: how an image becomes input over time.
        readout: what counts as the output.
        max_pooling: how max pools pass on currents step by step.
        analog: the nodes that stay as they are in the network and do not spike: analog ones (attention, gates,
            normalisation by statistics of the sample), or activations. They act on decoded values, in every step anew,
            and are counted as multiply-accumulates. What they pass on in a step is by how much `c · f(S / c)` grew,
            with S what has arrived so far and `c` what it is divided by to be an activation (`decoding_after`).
        products: the products of two signals (matrix products, gates) that take one input as spikes: that input's
            number, by the product's name. Each of its spikes adds the value of the other input, which is held. In time
            both inputs come as spikes, whatever the number, and each adds what has arrived of the other one.
        held: affine nodes whose value is held in accumulators. Spikes are added there, once, and the value goes on to
            its readers as a number.
        weights: weights in the place of the network's, by the names of linear layers and convolutions. The network
            that the plan is for stays as it is, and is what the conversion is compared with.
        method: the name of the method that made the plan.
        options: the options that it was called with.
        cites: where the method and the refinements were published.
        refinements: what was done to the plan that the method made, in order.
    """

    sites: Mapping[str, Site]
    schedule: Schedule
    coding: Coding = field(default_factory=ConstantCurrent)
    readout: Readout = field(default_factory=Membrane)
    max_pooling: MaxPooling = field(default_factory=AccumulatedMax)
    analog: tuple[str, ...] = ()
    products: Mapping[str, int] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    method: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    cites: tuple[str, ...] = ()
    refinements: tuple[Refined, ...] = ()

    @property
    def title(self) -> str:
        """The names of the method and the refinements: `max_norm + signed`."""
        return " + ".join((self.method, *(one.name for one in self.refinements)))

    @property
    def settings(self) -> Mapping[str, object]:
        """The method's options, and under `refine` the refinements with theirs, if there are any."""
        refined = {"refine": ", ".join(map(str, self.refinements))} if self.refinements else {}
        return {**self.options, **refined}

    @property
    def decoding(self) -> float:
        """By what a sum over time of currents, or of what spikes deliver, is divided to be an activation."""
        return self.schedule.input_steps * self.coding.gain

    def decoding_after(self, steps: int) -> float:
        """What an activation of 1 has delivered after so many steps: by what a sum until then is divided to be one.

        Args:
            steps: how many steps are past.
        """
        return min(steps, self.schedule.input_steps) * self.coding.gain

    @property
    def output_decoding(self) -> float:
        """By what a readout is divided to be in the units of the network's outputs."""
        return (self.schedule.input_steps - self.readout.after) * self.coding.gain

    def _summary(self) -> tuple[str, dict[str, str]]:
        thresholds = [torch.as_tensor(site.threshold) for site in self.sites.values()]
        lowest = min((float(one.min()) for one in thresholds), default=0.0)
        highest = max((float(one.max()) for one in thresholds), default=0.0)
        neurons = dict.fromkeys(site.neuron.describe() for site in self.sites.values())
        rows = {
            "schedule": repr(self.schedule),
            "populations": f"{len(self.sites)} of {listed(neurons)} ({listed(self.sites)})",
            "thresholds": f"{lowest:.3g} to {highest:.3g}",
            "input": repr(self.coding),
            "readout": type(self.readout).__name__,
            "refined by": ", ".join(map(str, self.refinements)),
            "analog": listed(self.analog),
            "products": listed(self.products),
        }
        title = f"Plan by {called(self.method, self.options.items())}" if self.method else "Plan"
        return title, {name: text for name, text in rows.items() if text}

    def inputs(self, network: Network, images: Tensor) -> Tensor:
        """A batch as the input coding takes it, in the network's type and on its device.

        Args:
            network: the network that the plan is for.
            images: `[batch, *shape]`; sequences `[batch, input steps, *shape]` where the coding is `Frames`.

        Raises:
            InvalidData: what is no batch of the right shape, is empty, or is NaN or infinite somewhere.
        """
        (entry,) = network.inputs
        if not self.coding.over_time:
            return network.check_inputs((images,))[entry.name]
        steps = self.schedule.input_steps
        if not isinstance(images, Tensor) or images.ndim != len(entry.shape) + 2 or images.shape[2:] != entry.shape:
            found = list(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise InvalidData(
                f"{type(self.coding).__name__} input takes sequences [batch, {steps}, "
                f"{', '.join(map(str, entry.shape))}], got {found}"
            )
        if images.shape[1] != steps:
            raise InvalidData(
                f"the sequences have {images.shape[1]} frames, and the plan has {steps} steps with input: give the "
                f"sequences as many frames, or the method as many steps"
            )
        return network.check_inputs((images.flatten(0, 1),))[entry.name].reshape(images.shape)

    def still(self, images: Tensor) -> Tensor:
        """What the network itself is given of a batch, `[batch, *shape]`: the images, or the mean of the frames."""
        return images.to(torch.promote_types(images.dtype, torch.float32)).mean(1) if self.coding.over_time else images

    def with_schedule(self, schedule: Schedule) -> Plan:
        """The same plan, run for another time."""
        return replace(self, schedule=schedule)

    def on(self, network: Network) -> Network:
        """The network that spikes: with the plan's populations on edges, as activations of the identity, and weights.

        Engines run this network; it is the given one where all populations are there and no weights were moved.
        """
        return reweighed(place(network, self.sites), self.weights)

    def applied(self, network: Network) -> tuple[Network, Plan]:
        """The network that spikes (`on`), and the plan without weights of its own: for those who rewrite weights."""
        return self.on(network), replace(self, weights={})

    def check(self, network: Network) -> None:
        """Raises `InvalidPlan`, naming the layer, where the plan does not fit the network."""
        network = place(network, self.sites)
        if len(network.inputs) != 1:
            inputs = ", ".join(node.name for node in network.inputs)
            raise InvalidPlan(
                f"the network has the inputs {inputs}; spiking networks take one: join them by "
                "respike.passes.join_inputs(network)"
            )
        self._check_analog(network)
        self._check_readout()
        self._check_transients()
        self._check_weights(network)
        spiking = [node for node in network.activations if node.name not in self.analog]
        names = {node.name for node in spiking}
        if missing := sorted(names - self.sites.keys()):
            raise InvalidPlan(f"the plan has no site for {', '.join(missing)}")
        if unknown := sorted(self.sites.keys() - names):
            raise InvalidPlan(
                f"the plan has sites for {', '.join(unknown)}, which are neither activations of the network nor the "
                "edge of a value that a layer or a product reads (VALUE@spikes): "
                + "; ".join(_why_silent(network, name.removesuffix(SPIKES)) for name in unknown)
            )
        for node in spiking:
            site = self.sites[node.name]
            _check_channels(node.name, site, network.shapes[node.name])
            self._check_neuron(node.name, site.neuron)
            self._check_function(node, site)
        if isinstance(self.schedule, Layerwise):
            self._check_layerwise()
        if self.coding.gain != 1 and _has_biases(network):
            warnings.warn(
                f"the mean input of a step is {self.coding.gain:g} times the image, but biases flow in full: "
                "scale the coding's spike_value so that its gain is 1",
                BiasScaleWarning,
                stacklevel=3,
            )
        if isinstance(self.readout, SpikeCount):
            _check_channels(network.outputs[0], self.readout.site, network.shapes[network.outputs[0]])

    def _check_readout(self) -> None:
        """A readout that starts late needs steps that are left, and an input that stays on."""
        after, steps = self.readout.after, self.schedule.steps
        if after and not isinstance(self.schedule, Steady):
            raise InvalidPlan("a readout can start late under a steady schedule only: use after=0")
        if not 0 <= after < steps:
            raise InvalidPlan(
                f"the readout starts after {after} steps, and the plan has {steps}: use {steps - 1} at most"
            )

    def _check_transients(self) -> None:
        """A transient counts its steps, so a population takes a current in each of them."""
        for name, site in self.sites.items():
            if site.transient is not None and isinstance(self.schedule, Layerwise):
                raise InvalidPlan(
                    f"layer {name!r} has a transient, and a layerwise schedule no steps for it: leave it out"
                )

    def _check_weights(self, network: Network) -> None:
        """Weights must fit the layers that they are for."""
        for name, weight in self.weights.items():
            node = network[name] if name in network.shapes else None
            if not isinstance(node, Weighted):
                raise InvalidPlan(f"the plan has weights for {name!r}, which is no linear layer or convolution")
            if weight.shape != node.weight.shape:
                sizes = f"{list(node.weight.shape)}, and the plan's for it {list(weight.shape)}"
                raise InvalidPlan(f"layer {name!r} has weights of the shape {sizes}")
            _check(f"the weights of layer {name!r}", weight)

    def _check_analog(self, network: Network) -> None:
        """Nothing stays analog unless the plan says so."""
        known = {node.name: node for node in network.nodes}
        for name in self.analog:
            if name not in known or not isinstance(known[name], Activation | Analog):
                what = "an affine map or a max pool, which needs no leave to be one" if name in known else "not a node"
                raise InvalidPlan(f"the plan lets {name!r} stay analog, which is {what}")
        self._check_products(network)
        analog = [node for node in network.nodes if isinstance(node, Analog) and node.name not in self.products]
        if silent := [node for node in analog if node.name not in self.analog]:
            listed = ", ".join(f"{node.name} ({network.kind(node.name)})" for node in silent)
            kinds = ", ".join(repr(node.name) for node in silent)
            raise InvalidPlan(
                f"no spiking neurons compute {listed}; to let them stay analog, name them (or patterns of their names) "
                f"in the method few_spikes: analog=({kinds},), or use the method every_edge or differential"
            )

    def _check_products(self, network: Network) -> None:
        """What is sent as spikes must be spikes, and what is held must be a sum that others read."""
        made, in_time = made_of(network), not isinstance(self.schedule, Layerwise)
        for name, position in self.products.items():
            node = network[name] if name in network.shapes else None
            if not isinstance(node, MatMul | Multiply):
                raise InvalidPlan(f"the plan has a product {name!r}, which is no product of two signals")
            if position not in (0, 1) or name in self.analog:
                raise InvalidPlan(f"the product {name!r} takes input 0 or 1 as spikes, or stays analog")
            for value in node.inputs if in_time else node.inputs[position : position + 1]:
                if made[value] is not Made.SPIKES:
                    raise InvalidPlan(
                        f"the product {name!r} cannot take {value!r} as spikes, since no population sends it: give the "
                        f"plan a site for '{value}@spikes'"
                    )
        for name in self.held:
            node = network[name] if name in network.shapes else None
            if node is None or isinstance(node, Input | Activation | MaxPool | AdaptiveMaxPool | Analog):
                raise InvalidPlan(f"the plan holds {name!r}, which is no affine map of the network")
        if self.products and self.decoding != 1:
            raise InvalidPlan(
                f"the product {next(iter(self.products))!r} takes spikes, so its inputs must come whole in one step: "
                "use schedule=InputThenDrain(1, steps), or let it stay analog"
            )

    def _check_neuron(self, name: str, neuron: Neuron) -> None:
        """Neurons with a window need a schedule that has one; the others cannot use it."""
        match neuron.window, self.schedule:
            case None, Layerwise():
                raise InvalidPlan(f"layer {name!r} has {neuron.describe()}: they need a schedule such as Steady")
            case int(steps), Layerwise(window=window) if steps > window:
                raise InvalidPlan(f"layer {name!r} fires for {steps} steps, its window has {window}")
            case int(), Steady() | InputThenDrain():
                raise InvalidPlan(f"layer {name!r} has {neuron.describe()}: they need schedule=Layerwise(steps)")
            case _:
                pass

    def _check_function(self, node: Activation, site: Site) -> None:
        """The neurons must compute the function that they stand for."""
        if node.population and not isinstance(self.schedule, Layerwise):
            raise InvalidPlan(
                f"layer {node.population!r} is recurrent: its neurons must be done with one time step of the network "
                "before the next one comes, which only few-spikes neurons are; use the method few_spikes"
            )
        match site.neuron.computes, node.function:
            case computed, wanted if computed == wanted:
                pass
            case ReLU(ceiling=math.inf), ReLU(ceiling=ceiling):
                self._check_ceiling(node.name, site, ceiling)
            case ReLU(ceiling=math.inf), Identity():
                raise InvalidPlan(
                    f"layer {node.name!r} sends values of both signs, which {site.neuron.describe()} cannot: use "
                    f"neurons.{'Differential' if site.neuron.window is None else 'SignedDigits'}"
                )
            case ReLU(ceiling=math.inf), wanted:
                raise InvalidPlan(
                    f"layer {node.name!r} computes {wanted}, which needs a fitted neuron: use the method few_spikes, "
                    f"or fitting.fit_activation({wanted}) and a site with what it gives"
                )
            case computed, wanted:
                raise InvalidPlan(f"layer {node.name!r} computes {wanted}, its neurons were fitted to {computed}")

    def _check_layerwise(self) -> None:
        if self.coding != ConstantCurrent():
            raise InvalidPlan("few-spikes neurons take the image as it is: use coding=ConstantCurrent()")
        if not isinstance(self.readout, Membrane):
            raise InvalidPlan("few-spikes networks are read out as potentials: use readout=Membrane()")

    def _check_ceiling(self, name: str, site: Site, ceiling: float) -> None:
        """A clipped activation (ReLU6) is right only where spikes cannot deliver more than the ceiling per step."""
        most = site.neuron.most_in_all
        if most is not None and most * float(torch.as_tensor(site.value).max()) <= ceiling * self.decoding * (1 + 1e-6):
            return
        if site.neuron.largest * float(torch.as_tensor(site.value).max()) > ceiling * (1 + 1e-6):
            raise InvalidPlan(f"layer {name!r} clips at {ceiling:g}, and a spike would deliver more than that")
        if isinstance(self.schedule, InputThenDrain):
            raise InvalidPlan(
                f"layer {name!r} clips at {ceiling:g}: while draining it would send more than that; "
                "use a method with a steady schedule, such as max_norm"
            )


def _check(name: str, quantity: Quantity, positive: bool = False) -> None:
    values = torch.as_tensor(quantity)
    if not values.numel():
        raise InvalidPlan(f"{name} must be one number or one per channel, got shape {list(values.shape)}")
    if not bool(torch.isfinite(values).all()):
        raise InvalidPlan(f"{name} must be finite")
    if positive and not bool((values > 0).all()):
        raise InvalidPlan(f"{name} must be positive, got {float(values.min()):g}")


def _why_silent(network: Network, value: str) -> str:
    """Why no population can stand on the edge of a value."""
    if value not in network.shapes:
        return f"{value!r} is no node of the network, as masks, shapes and other constants are none"
    readers = network.readers(value)
    if any(isinstance(node, Embedding) for node in readers):
        return f"{value!r} are whole numbers that {readers[0].name!r} looks up in a table, not values to add up"
    if not readers:
        return f"{value!r} is an output, which is read out as a number"
    kinds = ", ".join(f"{node.name} ({network.kind(node.name)})" for node in readers)
    return f"{value!r} is read by {kinds} alone, and nothing there multiplies it"


def _has_biases(network: Network) -> bool:
    return any(
        isinstance(node, BatchNorm) or (isinstance(node, Linear | Conv) and node.bias is not None)
        for node in network.nodes
    )


def _check_channels(name: str, site: Site, shape: tuple[int, ...]) -> None:
    numbers = (site.threshold, site.value, site.initial_potential, site.extra_current)
    rows = () if site.transient is None else site.transient.shape[1:]
    if len(rows) == 1 and rows[0] not in (1, shape[0]):
        raise InvalidPlan(f"layer {name!r} has {shape[0]} channels, its transient has numbers for {rows[0]}")
    for sizes in (*(torch.as_tensor(quantity).shape for quantity in numbers), rows if len(rows) > 1 else ()):
        if len(sizes) == 1 and sizes[0] != shape[0]:
            raise InvalidPlan(f"layer {name!r} has {shape[0]} channels, its site has numbers for {sizes[0]}")
        if len(sizes) > 1:
            fits = len(sizes) == len(shape) and all(n in (1, size) for n, size in zip(sizes, shape, strict=True))
            if not fits:
                raise InvalidPlan(
                    f"layer {name!r} has the shape {list(shape)}, its site has numbers of the shape {list(sizes)}: "
                    "give one, one for each channel, or numbers that broadcast"
                )
