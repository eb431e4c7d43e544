"""What a neuron is: everything that an engine, a measure, a report or an export may ask of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor

from respike.errors import InvalidPlan
from respike.ir import Function, ReLU

Surrogate: TypeAlias = Callable[[Tensor], Tensor]
"""A smooth step from 0 to 1. Its derivative at `v / threshold - 1` stands in for the derivative of a spike."""


@dataclass(frozen=True, eq=False)
class State:
    """What a population holds between two steps. A neuron that holds more extends it.

    Args:
        potential: the membrane potential, `[batch, *shape]`.
        step: how many steps are past.
    """

    potential: Tensor
    step: int = 0

    def charged(self, current: Tensor) -> Self:
        """The state after a current has been added to the potential."""
        return replace(self, potential=self.potential + current)

    def after(self, potential: Tensor) -> Self:
        """The state one step later, with this potential."""
        return replace(self, potential=potential, step=self.step + 1)


@dataclass(frozen=True)
class Neuron(ABC):
    """The dynamics of a population of spiking neurons, as a frozen value.

    A neuron is charged by its current, `v ← v + current`, and then fires. `fire` is the definition; every engine runs a
    neuron by it, unless the engine knows a faster way. Everything else has a default.

    What a neuron sends in a step is an **amplitude** for each member of the population: a whole number `s`, which
    delivers `s · spike_value` to the next layer. Most neurons send 0 or 1.

    A neuron with a **window** fires after its whole input has been collected, for K steps in which no current comes. It
    is then decoded to one value, `spike_value · Σ_t worth[t] · s[t]`.
    """

    @abstractmethod
    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """What charged neurons do: the spikes, and the state that the reset leaves.

        Args:
            state: the state that `start` or `fire` gave, charged.
            threshold: the site's threshold; broadcasts against the potential.

        Returns:
            The state one step later, and the amplitudes `[batch, *shape]` in the type of the potential.
        """

    @property
    def signed(self) -> bool:
        """Whether amplitudes may be negative."""
        return False

    @property
    def most(self) -> int | None:
        """The largest amplitude of one step; None where there is no bound."""
        return 1

    @property
    def graded(self) -> bool:
        """Whether an amplitude is sent as one event; otherwise an amplitude of n stands for n spikes."""
        return False

    @property
    def lossless(self) -> bool:
        """Whether charge above the threshold is kept, so that `v + threshold · Σ s` is all the charge received."""
        return True

    @property
    def worth(self) -> tuple[float, ...]:
        """What an amplitude of 1 delivers in each step of the window, in spike values; () without a window."""
        return ()

    @property
    def window(self) -> int | None:
        """K, the steps that it fires for on its own; None where it takes a current in every step."""
        return len(self.worth) or None

    @property
    def largest(self) -> float:
        """The largest value that it delivers in a step (with a window: in all its steps), in spike values."""
        most = float("inf") if self.most is None else float(self.most)
        return most * sum(max(0.0, worth) for worth in self.worth) if self.worth else most

    def most_in(self, steps: int) -> float:
        """The largest value that it delivers in so many steps, in spike values; with a window, that of its own steps.

        Args:
            steps: time steps.
        """
        return self.largest if self.window is not None else steps * self.largest

    @property
    def most_in_all(self) -> int | None:
        """The largest sum of amplitudes over all steps; None where there is no bound."""
        return None

    @property
    def computes(self) -> Function:
        """The activation function that it stands for."""
        return ReLU()

    @property
    def domain(self) -> tuple[float, float] | None:
        """The range of inputs that its numbers were fitted to; None where it takes any."""
        return None

    def start(self, potential: Tensor) -> State:
        """The state before the first step."""
        return State(potential)

    def step(self, state: State, current: Tensor, threshold: Tensor) -> tuple[State, Tensor]:
        """One time step: `v ← v + current`, then `fire`."""
        return self.fire(state.charged(current), threshold)

    def fire_window(self, potential: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The K steps of neurons that have collected their whole input.

        Args:
            potential: `[*shape]`, the initial potential and all input.
            threshold: broadcasts against it.

        Returns:
            The potential after the last step, the amplitudes `[K, *shape]`, and what they deliver together, `[*shape]`
            in spike values.
        """
        state = self.start(potential)
        amplitudes = potential.new_empty(len(self.worth), *potential.shape)
        delivered = torch.zeros_like(potential)
        for now, worth in zip(amplitudes, self.worth, strict=True):
            state, fired = self.fire(state, threshold)
            now.copy_(fired)
            delivered = delivered + worth * now
        return state.potential, amplitudes, delivered

    def spikes_sent(self, amplitudes: Tensor) -> Tensor:
        """How many spikes amplitudes are, for counts of spikes, operations and energy."""
        if self.graded:
            return amplitudes != 0
        return amplitudes.abs() if self.signed else amplitudes

    def smooth(self, units: Tensor) -> Tensor:
        """The function of the potential, in thresholds, whose quantisation it delivers: differentiable.

        By default the identity, clipped to what the neuron can deliver.
        """
        top = self.largest + 1
        return units.clamp(-top if self.signed and self.window is None else 0.0, top)

    def fire_smoothly(self, state: State, threshold: Tensor, surrogate: Surrogate) -> tuple[State, Tensor]:
        """`fire` with derivatives, for training. Forward it gives the same, bit for bit.

        By default the straight-through estimator: the derivative of `smooth`, and a reset by subtraction.
        """
        with torch.no_grad():
            fired, exact = self.fire(state, threshold)
        amplitudes = straight_through(exact, self.smooth(state.potential / threshold))
        left = straight_through(fired.potential, state.potential - threshold * amplitudes)
        return replace(fired, potential=left), amplitudes

    def describe(self) -> str:
        """What these neurons are called in tables and errors, in the plural."""
        return f"{type(self).__name__} neurons"

    def check(self, threshold: Tensor) -> None:  # noqa: B027  # most neurons have nothing to check
        """Raises `InvalidPlan` where a site's threshold does not suit the neuron."""

    def in_unit(self, unit: float | Tensor) -> Neuron:
        """The same neuron for potentials written in another unit (one number, or one per channel), to lower it.

        Raises `InvalidPlan` where there is none. The message is what a layer "has".
        """
        raise InvalidPlan(f"has {self.describe()}, which cannot be lowered yet")

    def rounded(self) -> Neuron:
        """The same neuron with whole numbers, for fixed point."""
        return self

    def manifest(self) -> Mapping[str, Any]:
        """What exported files say of it; as JSON. `kind` names the dynamics."""
        return {"kind": type(self).__name__, **asdict(self)}

    def finer(self, more: int) -> Neuron | None:
        """The neuron whose window delivers values of so many bits more; None where there is none."""
        return None

    def without_loss(self) -> Neuron | None:
        """The neuron that keeps the charge above the threshold and else is the same; None where there is none."""
        return None

    def recalling(self) -> Neuron | None:
        """The neuron that can also take spikes back and else is the same; None where there is none."""
        return None


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """`exact` forward, bit for bit; the derivative of `smooth` backward."""
    return _StraightThrough.apply(exact, smooth) if torch.is_grad_enabled() else exact  # type: ignore[no-untyped-call]


class _StraightThrough(torch.autograd.Function):
    """Its first argument, with the derivative of the second."""

    @staticmethod
    def forward(context: object, exact: Tensor, smooth: Tensor) -> Tensor:
        return exact.view_as(exact)

    @staticmethod
    def backward(context: object, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient
