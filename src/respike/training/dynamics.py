"""The dynamics of populations and pools as functions with derivatives. Forward, they are those of the engines.

- Integrate-and-fire neurons spike by `H(v / threshold - 1)`; at every step a surrogate gives its derivative. The reset
  is part of what is derived.
- The K steps of a few-spikes neuron are a quantiser of K bits, `y = value · n(v / unit)` with `n(q) = clip(floor(q), 0,
  2^K - 1)`. Step by step, the surrogates of K spikes whose thresholds halve would multiply up to noise. But where `q`
  rises by one, `n` rises by one, unless it saturates: on average `n'(q) = 1` from 0 to 2^K, and 0 elsewhere. This is
  the straight-through estimator, a clipped identity. With `value = unit` it gives `∂y/∂v = 1` inside; and the unit
  itself gets `n - q` inside (its rounding error), `2^K - 1` above and 0 below: the learned step size of Esser et al.
  2020.
- Fitted few-spikes neurons have the derivative of the function that they stand for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor

from respike.ir import Affine, Analog, Pooling, apply, apply_function, apply_max, channelwise
from respike.neurons import (
    Above,
    FewSpikes,
    FittedFewSpikes,
    IntegrateFire,
    LayerwiseNeuron,
    Neuron,
    SignedIntegrateFire,
    SteppedNeuron,
    Subtract,
    ToValue,
    fire_few,
)
from respike.plan import AccumulatedMax, MaxPooling, SiteTensors
from respike.training.surrogates import Surrogate, straight_through


@dataclass(eq=False)
class Population:
    """The neurons of a site during one forward pass; `numbers` are the site's, one each or one per channel."""

    neuron: Neuron
    numbers: SiteTensors
    surrogate: Surrogate
    potential: Tensor | None = None
    total: Tensor | None = None

    def __call__(self, current: Tensor, steps: int, bias_on: bool) -> Tensor:
        """What the spikes of `steps` steps deliver; currents are `[steps, batch, *shape]`, `[1, …]` where constant."""
        numbers = shaped(self.numbers, current.ndim - 1)
        if bias_on:
            current = current + numbers.extra_current
        if self.potential is None or self.total is None:
            self.potential = numbers.initial_potential.expand_as(current[0])
            self.total = torch.zeros_like(current[0])
        match self.neuron:
            case FewSpikes() | FittedFewSpikes():
                delivered = decoded(self.neuron, self.potential + current[0], numbers.threshold).unsqueeze(0)
            case IntegrateFire() | SignedIntegrateFire():
                spikes = []
                for number in range(steps):
                    charged = self.potential + current[number if len(current) > 1 else 0]
                    self.potential, spike = fire(self.neuron, charged, self.total, numbers.threshold, self.surrogate)
                    self.total = self.total + spike.detach()
                    spikes.append(spike)
                delivered = torch.stack(spikes)
            case _:
                assert_never(self.neuron)
        return numbers.spike_value * delivered


def shaped(numbers: SiteTensors, dimensions: int) -> SiteTensors:
    """The numbers shaped to broadcast against a batch of `dimensions` dimensions."""
    return SiteTensors(
        channelwise(numbers.threshold, dimensions),
        channelwise(numbers.spike_value, dimensions),
        channelwise(numbers.initial_potential, dimensions),
        channelwise(numbers.extra_current, dimensions),
    )


def decoded(neuron: LayerwiseNeuron, potential: Tensor, threshold: Tensor) -> Tensor:
    """What the K steps of a few-spikes population deliver, in spike values."""
    _, _, exact = fire_few(neuron, potential.detach(), threshold.detach())
    units = potential / threshold
    match neuron:
        case FewSpikes():
            return straight_through(exact, units.clamp(0.0, neuron.largest + 1))
        case FittedFewSpikes():
            return straight_through(exact, apply_function(neuron.function, units))
        case _:
            assert_never(neuron)


def fire(
    neuron: SteppedNeuron, potential: Tensor, total: Tensor, threshold: Tensor, surrogate: Surrogate
) -> tuple[Tensor, Tensor]:
    """One step of neurons that have taken their current: the potential after the reset, and the spikes."""
    smooth = surrogate(potential / threshold - 1)
    match neuron:
        case IntegrateFire(reset=reset, fires=fires):
            above = potential > threshold if isinstance(fires, Above) else potential >= threshold
            spikes = straight_through(above.to(potential.dtype), smooth)
            match reset:
                case Subtract():
                    return potential - threshold * spikes, spikes
                case ToValue(value=value):
                    return potential * (1 - spikes) + value * spikes, spikes
                case _:
                    assert_never(reset)
        case SignedIntegrateFire():
            up = straight_through((potential >= threshold).to(potential.dtype), smooth)
            recalls = (total > 0).to(potential.dtype)
            down = straight_through((potential < 0).to(potential.dtype), surrogate(-potential / threshold)) * recalls
            return potential - threshold * (up - down), up - down
        case _:
            assert_never(neuron)


@dataclass(eq=False)
class Pool:
    """A max pool during one forward pass."""

    treatment: MaxPooling
    accumulated: Tensor | None = None

    def __call__(self, node: Pooling, current: Tensor, steps: int) -> Tensor:
        """What the pool passes on in `steps` steps."""
        if not isinstance(self.treatment, AccumulatedMax):
            return unfolded(apply_max(node, current.flatten(0, 1)), len(current))
        charges = current.expand(steps, *current.shape[1:]).cumsum(0)
        before = torch.zeros_like(charges[:1]) if self.accumulated is None else self.accumulated
        charges = charges + before
        maxima = unfolded(apply_max(node, charges.flatten(0, 1)), steps)
        first = torch.zeros_like(maxima[:1]) if self.accumulated is None else apply_max(node, before[0]).unsqueeze(0)
        self.accumulated = charges[-1:]
        return maxima - torch.cat((first, maxima[:-1]))


def carried(node: Affine | Analog, inputs: list[Tensor], bias: bool) -> Tensor:
    """A map on values over time, `[steps, batch, *shape]`: time is folded into the batch."""
    steps = max(len(value) for value in inputs)
    folded = [value.expand(steps, *value.shape[1:]).flatten(0, 1) for value in inputs]
    return unfolded(apply(node, folded, bias=bias), steps)


def unfolded(values: Tensor, steps: int) -> Tensor:
    """Time taken out of the batch again."""
    return values.reshape(steps, -1, *values.shape[1:])
