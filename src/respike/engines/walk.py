"""The walk of a plan through a network: what all engines but the reference share.

Delays are zero, so a node can run many steps before the next one does. A `Walk` owns the order of nodes and the life of
their values (`ir.walk`), phases and chunks of time, the input, the readout and what is recorded of the outputs. An
engine says four things: what a map does, what a population does, what a max pool does, and what a node that is
evaluated does.

`Walk[V]` leaves open what a value is: a tensor over time, words of spikes, a total over all steps. `TensorWalk` is for
tensors over time, `[steps, batch, *shape]`, or `[1, …]` where every step has the same; `RecordedWalk` records them.

The reference engine stands apart on purpose: the others are compared with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from respike.ir import (
    Activation,
    AdaptiveMaxPool,
    Affine,
    Analog,
    Input,
    MaxPool,
    Network,
    Node,
    Pooling,
    apply_max,
    evaluate,
    walk,
)
from respike.plan import AccumulatedMax, MaxPooling, Plan, Site, SpikeCount
from respike.record import INPUT, OUTPUT, Recorder
from respike.schedule import Layerwise, Phase

V = TypeVar("V")


class Walk(ABC, Generic[V]):
    """One simulation under way. `V` is what the value of a node is in the steps of a chunk.

    Args:
        network: a network of one input.
        plan: its plan.
    """

    def __init__(self, network: Network, plan: Plan) -> None:
        self.network = plan.on(network)
        self.plan = plan
        self.done = 0  # steps

    @abstractmethod
    def plus(self, current: V, transient: Tensor) -> V:
        """A current with what is added to it, `[steps, 1, *shape]` (dimensions of `shape` may be 1)."""

    @abstractmethod
    def entry(self, phase: Phase, steps: int) -> V:
        """The input of some steps."""

    @abstractmethod
    def map(self, node: Affine, inputs: list[V], phase: Phase) -> V:
        """What an affine map makes of its inputs."""

    @abstractmethod
    def population(self, name: str, site: Site, current: V, phase: Phase, steps: int) -> V:
        """What the spikes of a population deliver, given its current; `OUTPUT` names the output neurons."""

    @abstractmethod
    def pool(self, node: Pooling, current: V, steps: int) -> V:
        """What a max pool passes on."""

    @abstractmethod
    def evaluated(self, node: Analog | Activation, inputs: list[V], steps: int) -> V:
        """What a node that the plan lets stay analog passes on: by how much its value grew."""

    @abstractmethod
    def read_out(self, delivered: V, phase: Phase, steps: int) -> None:
        """Takes what reaches the readout."""

    def run(self, longest: int) -> None:
        """All phases of the plan, in chunks of at most `longest` steps."""
        for phase in self.plan.schedule.phases:
            for start in range(0, phase.steps, longest):
                self.chunk(phase, min(longest, phase.steps - start))

    def chunk(self, phase: Phase, steps: int) -> None:
        """`steps` steps of a phase, node by node."""
        result = self.network.outputs[0]
        computed = walk(self.network.nodes, lambda node, inputs: self.value(node, inputs, phase, steps))
        (delivered,) = (value for node, value in computed if node.name == result)
        if isinstance(self.plan.readout, SpikeCount):
            delivered = self._populated(OUTPUT, result, self.plan.readout.site, delivered, phase, steps)
        self.read_out(delivered, phase, steps)
        self.done += steps

    def value(self, node: Node, inputs: list[V], phase: Phase, steps: int) -> V:
        """The value of a node in some steps."""
        match node:
            case Input():
                return self.entry(phase, steps)
            case Activation() if node.name not in self.plan.analog:
                return self._populated(node.name, node.name, self.plan.sites[node.name], inputs[0], phase, steps)
            case MaxPool() | AdaptiveMaxPool():
                return self.pool(node, inputs[0], steps)
            case _ if isinstance(node, Activation | Analog):
                return self.evaluated(node, inputs, steps)
            case _:
                return self.map(node, inputs, phase)

    def decodings(self, steps: int) -> list[float]:
        """What an activation of 1 has delivered after each of the next steps."""
        return [self.plan.decoding_after(self.done + number + 1) for number in range(steps)]

    def _populated(self, name: str, node: str, site: Site, current: V, phase: Phase, steps: int) -> V:
        """What a population with the shape of a node delivers; its transient goes with the current."""
        transient = site.transient_in(self.done, steps, 1 + len(self.network.shapes[node]))
        if transient is not None:
            current = self.plus(current, transient)
        return self.population(name, site, current, phase, steps)


class TensorWalk(Walk[Tensor]):
    """A walk of tensors over time; maps see time folded into the batch.

    Args:
        network: a network of one input.
        plan: its plan.
        images: a batch, checked, `[batch, *shape]`.
        first_image: the number of the batch's first image in its data set, on which random codings depend.
    """

    def __init__(self, network: Network, plan: Plan, images: Tensor, first_image: int = 0) -> None:
        super().__init__(network, plan)
        self.images = images
        self.stream = plan.coding.stream(images, first_image)
        self.pools: dict[str, Pool] = {}
        self.analog: dict[str, Evaluated] = {}

    def plus(self, current: Tensor, transient: Tensor) -> Tensor:
        """The sum, in every step."""
        return current + transient.to(current)

    def entry(self, phase: Phase, steps: int) -> Tensor:
        """The coding's input; zeros where the input is off."""
        (entry,) = self.network.inputs
        return self.stream.take(steps) if phase.input_on else self.images.new_zeros(1, len(self.images), *entry.shape)

    def map(self, node: Affine, inputs: list[Tensor], phase: Phase) -> Tensor:
        """The node on every step."""
        return folded(node, inputs, bias=phase.bias_on)

    def pool(self, node: Pooling, current: Tensor, steps: int) -> Tensor:
        """As the plan says."""
        return self.pools.setdefault(node.name, Pool(self.plan.max_pooling))(node, current, steps)

    def evaluated(self, node: Analog | Activation, inputs: list[Tensor], steps: int) -> Tensor:
        """The node on what has arrived; a layerwise plan has one step, in which all arrives."""
        if isinstance(self.plan.schedule, Layerwise):
            return folded(node, inputs, bias=True)
        return self.analog.setdefault(node.name, Evaluated())(node, inputs, self.decodings(steps))


class RecordedWalk(TensorWalk):
    """A walk of tensors over time that records the input's spikes, and the sum of what is delivered after each step."""

    def __init__(self, network: Network, plan: Plan, images: Tensor, recorder: Recorder, first_image: int = 0) -> None:
        super().__init__(network, plan, images, first_image)
        self.recorder = recorder
        self.output: Tensor | None = None

    def entry(self, phase: Phase, steps: int) -> Tensor:
        """The coding's input, recorded where it is spikes."""
        value = super().entry(phase, steps)
        if self.plan.coding.spiking:
            self.recorder.population(INPUT, (value != 0).to(value.dtype).expand(steps, *value.shape[1:]))
        return value

    def read_out(self, delivered: Tensor, phase: Phase, steps: int) -> None:
        """Sums up what is delivered."""
        outputs = delivered.new_empty(steps, *delivered.shape[1:])
        for number in range(steps):
            now = at(delivered, number)
            self.output = now if self.output is None else self.output + now
            outputs[number] = self.output
        self.recorder.outputs(outputs)


class Pool:
    """A max pool, and what it has accumulated.

    Args:
        treatment: what it takes the maximum of.
        hold: what becomes of an accumulated current; the identity unless given.
    """

    def __init__(self, treatment: MaxPooling, hold: Callable[[Tensor], Tensor] | None = None) -> None:
        self._treatment = treatment
        self._hold = hold
        self._charge: Tensor | None = None
        self._passed_on: Tensor | None = None

    def __call__(self, node: Pooling, current: Tensor, steps: int) -> Tensor:
        """What the pool passes on in `steps` steps, from currents `[steps, …]`, or `[1, …]` where constant."""
        if not isinstance(self._treatment, AccumulatedMax):
            return unfolded(apply_max(node, current.flatten(0, 1)), len(current))
        charges = []
        for number in range(steps):
            now = at(current, number)
            charge = now if self._charge is None else self._charge + now
            self._charge = charge if self._hold is None else self._hold(charge)
            charges.append(self._charge)
        maxima = apply_max(node, torch.cat(charges)).chunk(steps)
        increments = []
        for maximum in maxima:
            increments.append(maximum if self._passed_on is None else maximum - self._passed_on)
            self._passed_on = maximum
        return torch.stack(increments)


class Evaluated:
    """A node that stays analog in time: what has arrived at its inputs, and what it has passed on.

    With S what has arrived until step t and `c` what an activation of 1 has delivered by then, it passes on by how much
    `c · f(S / c)` grew. So what it has passed on is always what it computes of the mean of its inputs. Where that is no
    number (a quotient, before its spikes have come), it waits.
    """

    def __init__(self) -> None:
        self._arrived: list[Tensor] = []
        self._passed_on: Tensor | None = None

    def __call__(self, node: Analog | Activation, inputs: list[Tensor], decodings: Sequence[float]) -> Tensor:
        """What it passes on in some steps, `[steps, …]`.

        Args:
            node: the node.
            inputs: what arrives, `[steps, …]` each, or `[1, …]` where it is constant.
            decodings: `c` in each step.
        """
        arrived = self._arrived or [torch.zeros_like(value[0]) for value in inputs]
        means: list[list[Tensor]] = [[] for _ in inputs]
        for number, decoding in enumerate(decodings):
            arrived = [before + at(value, number) for before, value in zip(arrived, inputs, strict=True)]
            for kept, value in zip(means, arrived, strict=True):
                kept.append(value if decoding == 1 else value / decoding)
        self._arrived, increments = arrived, []
        values = folded(node, [torch.stack(each) for each in means], bias=True)
        finite = bool(values.isfinite().all())
        for decoding, value in zip(decodings, values, strict=True):
            before = torch.zeros_like(value) if self._passed_on is None else self._passed_on
            now = value if decoding == 1 else decoding * value
            self._passed_on = now if finite else torch.where(value.isfinite(), now, before)
            increments.append(self._passed_on - before)
        return torch.stack(increments)


def at(values: Tensor, number: int) -> Tensor:
    """The values of a step, `[batch, *shape]`, where `[1, …]` is the same in every step."""
    return values[number if len(values) > 1 else 0]


def folded(node: Affine | Analog | Activation, inputs: list[Tensor], *, bias: bool) -> Tensor:
    """A node on values over time: time is folded into the batch. Steps and batch may be 1 where all are the same."""
    steps, batch = (max(value.shape[d] for value in inputs) for d in (0, 1))
    flat = [value.expand(steps, batch, *value.shape[2:]).flatten(0, 1) for value in inputs]
    return unfolded(evaluate(node, flat, bias=bias), steps)


def unfolded(values: Tensor, steps: int) -> Tensor:
    """Time taken out of the batch again, `[steps, batch, *shape]`."""
    return values.reshape(steps, -1, *values.shape[1:])
