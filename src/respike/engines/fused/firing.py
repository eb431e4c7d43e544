"""Integrate-and-fire populations over many steps, in one kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from respike.engines.fused.launch import launch
from respike.neurons import AtOrAbove, IntegrateFire, Neuron, SignedIntegrateFire, State, ToValue, TracedState

BLOCK = 512
"""Neurons of one program."""


@dataclass(frozen=True)
class Kernel:
    """How `kernels.integrate_fire` runs a neuron.

    Args:
        inclusive: whether it fires at the threshold, too.
        signed: whether it sends spikes of -1 while more spikes were sent than recalled.
        reset: the value that it is reset to; None: the threshold is subtracted.
    """

    inclusive: bool = True
    signed: bool = False
    reset: float | None = None


def _integrate_fire(neuron: IntegrateFire) -> Kernel:
    reset = neuron.reset.value if isinstance(neuron.reset, ToValue) else None
    return Kernel(inclusive=isinstance(neuron.fires, AtOrAbove), reset=reset)


KERNELS: Mapping[type[Neuron], Callable[[Any], Kernel | None]] = {
    IntegrateFire: _integrate_fire,
    SignedIntegrateFire: lambda neuron: Kernel(signed=True) if neuron.most_total is None else None,
}
"""By the neuron's class. A neuron that has no entry is stepped by its definition."""


def kernel_of(neuron: Neuron) -> Kernel | None:
    """How the kernel runs a neuron; None where it cannot."""
    find = KERNELS.get(type(neuron))
    return None if find is None else find(neuron)


@dataclass(frozen=True, eq=False)
class Fired:
    """What a population did in some steps.

    Args:
        spikes: int8, `[steps, batch, *shape]`.
        counts: their sums over the steps, `[batch, *shape]`.
        state: the one after the last step.
    """

    spikes: Tensor
    counts: Tensor
    state: State


def fire(kernel: Kernel, state: State, currents: Tensor, threshold: Tensor, extra_current: Tensor, steps: int) -> Fired:
    """`steps` times `Neuron.step`, with the same result bit for bit, in float32 or float64.

    Args:
        kernel: the kernel for the neuron.
        state: with potentials `[batch, channels, …]`.
        currents: `[steps, batch, channels, …]`, or `[1, …]` where every step has the same.
        threshold: one number, or one per channel.
        extra_current: one number, or one per channel.
        steps: how many to run.
    """
    from respike.engines.fused import kernels

    potential = state.potential.contiguous()
    total = state.total.contiguous() if isinstance(state, TracedState) else torch.zeros_like(potential)
    channels, inner = potential.shape[1], potential[0, 0].numel() if len(potential) else 1
    spikes = torch.empty(steps, *potential.shape, dtype=torch.int8, device=potential.device)
    last_potential, last_total = torch.empty_like(potential), torch.empty_like(total)
    launch(
        kernels.integrate_fire,
        (max(1, -(-potential.numel() // BLOCK)),),
        currents.contiguous(),
        potential,
        total,
        _per_channel(threshold, channels),
        _per_channel(extra_current, channels),
        potential.new_full((1,), kernel.reset or 0.0),
        spikes,
        last_potential,
        last_total,
        potential.numel(),
        channels,
        inner,
        steps,
        CHANGING=len(currents) > 1,
        INCLUSIVE=kernel.inclusive,
        SIGNED=kernel.signed,
        SUBTRACT=kernel.reset is None,
        BLOCK=BLOCK,
    )
    after = replace(state, potential=last_potential, step=state.step + steps)
    if isinstance(after, TracedState):
        after = replace(after, total=last_total)
    return Fired(spikes, last_total - total, after)


def _per_channel(quantity: Tensor, channels: int) -> Tensor:
    return quantity.reshape(-1).expand(channels).contiguous()
