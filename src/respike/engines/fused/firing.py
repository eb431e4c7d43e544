"""Integrate-and-fire populations over many steps, in one kernel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from respike.engines.fused.launch import launch
from respike.neurons import AtOrAbove, IntegrateFire, SignedIntegrateFire, SteppedNeuron, Subtract, ToValue

BLOCK = 512
"""Neurons of one program."""


@dataclass(frozen=True, eq=False)
class Fired:
    """What a population did in some steps.

    `spikes` are int8, `[steps, batch, *shape]`; `potential` and `total` (the sum of all spikes so far) are those after
    the last step, `[batch, *shape]`.
    """

    spikes: Tensor
    potential: Tensor
    total: Tensor


def fire(
    neuron: SteppedNeuron,
    potential: Tensor,
    total: Tensor,
    currents: Tensor,
    threshold: Tensor,
    extra_current: Tensor,
    steps: int,
) -> Fired:
    """`steps` times `neurons.step`, with the same result bit for bit, in float32 or float64.

    `potential` and `total` are `[batch, channels, …]`, `currents` is `[steps, batch, channels, …]`, or `[1, …]` where
    every step has the same. `threshold` and `extra_current` hold one number, or one per channel.
    """
    from respike.engines.fused import kernels

    potential, total = potential.contiguous(), total.contiguous()
    channels, inner = potential.shape[1], potential[0, 0].numel() if len(potential) else 1
    spikes = torch.empty(steps, *potential.shape, dtype=torch.int8, device=potential.device)
    last_potential, last_total = torch.empty_like(potential), torch.empty_like(total)
    reset = neuron.reset if isinstance(neuron, IntegrateFire) else Subtract()
    launch(
        kernels.integrate_fire,
        (max(1, -(-potential.numel() // BLOCK)),),
        currents.contiguous(),
        potential,
        total,
        _per_channel(threshold, channels),
        _per_channel(extra_current, channels),
        potential.new_full((1,), reset.value if isinstance(reset, ToValue) else 0.0),
        spikes,
        last_potential,
        last_total,
        potential.numel(),
        channels,
        inner,
        steps,
        CHANGING=len(currents) > 1,
        INCLUSIVE=not isinstance(neuron, IntegrateFire) or isinstance(neuron.fires, AtOrAbove),
        SIGNED=isinstance(neuron, SignedIntegrateFire),
        SUBTRACT=isinstance(reset, Subtract),
        BLOCK=BLOCK,
    )
    return Fired(spikes, last_potential, last_total)


def _per_channel(quantity: Tensor, channels: int) -> Tensor:
    return quantity.reshape(-1).expand(channels).contiguous()
