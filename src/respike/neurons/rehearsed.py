"""Integrate-and-fire neurons that run some steps first, look at what was left over, and start again."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from respike.errors import InvalidOption
from respike.neurons.base import Neuron, State


@dataclass(frozen=True, eq=False)
class RehearsedState(State):
    """A state that knows how it began.

    Args:
        potential: membrane potentials, `[batch, *shape]`.
        step: the steps that are done.
        initial: the potential before the first step.
        silent: the neurons that do not fire any more.
    """

    initial: Tensor = field(kw_only=True)
    silent: Tensor = field(kw_only=True)


@dataclass(frozen=True)
class RehearsedNeuron(Neuron):
    """Reset by subtraction; behind the first steps, the rehearsal, it starts again with what it has learned from them.

    All layers rehearse at the same time. A readout behind the rehearsal (`Membrane(after=rehearsal)`) leaves its
    outputs out; its spikes and operations count.

    Args:
        rehearsal: how many steps it takes.
    """

    rehearsal: int

    def __post_init__(self) -> None:
        if self.rehearsal < 1:
            raise InvalidOption(f"a rehearsal has 1 step at least, not {self.rehearsal}")

    @property
    def lossless(self) -> bool:
        """Not over the new start."""
        return False

    def start(self, potential: Tensor) -> RehearsedState:
        """Nobody is silent."""
        return RehearsedState(potential, initial=potential, silent=torch.zeros_like(potential, dtype=torch.bool))

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        """`z = 1` where `v ≥ threshold`, `v ← v - threshold · z`; after the rehearsal's last step, the new start."""
        assert isinstance(state, RehearsedState)
        spikes = ((state.potential >= threshold) & ~state.silent).to(state.potential.dtype)
        after = state.after(state.potential - threshold * spikes)
        return (self.again(after, threshold) if after.step == self.rehearsal else after), spikes

    @abstractmethod
    def again(self, state: RehearsedState, threshold: Tensor) -> RehearsedState:
        """The state after the rehearsal, by the residual potential that it has left."""

    def in_unit(self, unit: float | Tensor) -> RehearsedNeuron:
        """The same: all its potentials are the site's."""
        return self


@dataclass(frozen=True)
class OffsetCorrected(RehearsedNeuron):
    """A neuron that was a spike off in the rehearsal starts a threshold higher or lower (Hao et al. 2023).

        v ← v(0) + θ where v ≥ θ was left;   v ← v(0) − θ where v < 0;   v ← v(0) elsewhere

    Charge of a threshold or more was not sent because its inputs came late; a negative potential says that a spike was
    sent too early, for inputs that inhibition took back.
    """

    def again(self, state: RehearsedState, threshold: Tensor) -> RehearsedState:
        """A threshold is added or taken off."""
        missing = (state.potential >= threshold).to(threshold.dtype) - (state.potential < 0).to(threshold.dtype)
        return replace(state, potential=state.initial + threshold * missing)

    def describe(self) -> str:
        """Offset-corrected neurons."""
        return "offset-corrected neurons"


@dataclass(frozen=True)
class ResidualSilenced(RehearsedNeuron):
    """A neuron whose residual potential was negative after the rehearsal is silent from then on (Hao et al. 2023).

    Where the whole input of a neuron is negative, so that its activation is 0, its residual is negative, whatever
    spikes it has sent for inputs that came early.
    """

    def again(self, state: RehearsedState, threshold: Tensor) -> RehearsedState:
        """Neurons below 0 fall silent; all start anew."""
        return replace(state, potential=state.initial, silent=state.potential < 0)

    def describe(self) -> str:
        """Residual-silenced neurons."""
        return "residual-silenced neurons"
