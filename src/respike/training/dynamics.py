"""The dynamics of populations as functions with derivatives. Forward, they are those of the engines.

- A neuron says itself what derivative its spikes have (`Neuron.fire_smoothly`): integrate-and-fire neurons spike by
  `H(v / threshold - 1)`, and a surrogate gives its derivative at every step. The reset is part of what is derived.
- The K steps of a few-spikes neuron are a quantiser of K bits, `y = value · n(v / unit)` with `n(q) = clip(floor(q), 0,
  2^K - 1)`. Step by step, the surrogates of K spikes whose thresholds halve would multiply up to noise. But where `q`
  rises by one, `n` rises by one, unless it saturates: on average `n'(q) = 1` from 0 to 2^K, and 0 elsewhere. This is
  the straight-through estimator, a clipped identity (`Neuron.smooth`). With `value = unit` it gives `∂y/∂v = 1`
  inside; and the unit itself gets `n - q` inside (its rounding error), `2^K - 1` above and 0 below: the learned step
  size of Esser et al. 2020.
- Fitted few-spikes neurons have the derivative of the function that they stand for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from respike.engines.walk import at
from respike.ir import channelwise
from respike.neurons import Neuron, State, straight_through
from respike.plan import SiteTensors
from respike.training.surrogates import Surrogate

Delivering: TypeAlias = Callable[[Tensor, int, bool], Tensor]
"""What a population delivers: its current (`[steps, batch, *shape]`), how many steps, and whether biases are on."""


@dataclass(eq=False)
class Population:
    """The neurons of a site during one forward pass; `numbers` are the site's, one each or one per channel."""

    neuron: Neuron
    numbers: SiteTensors
    surrogate: Surrogate
    state: State | None = None

    def __call__(self, current: Tensor, steps: int, bias_on: bool) -> Tensor:
        """What the spikes of `steps` steps deliver; currents are `[steps, batch, *shape]`, `[1, …]` where constant."""
        numbers = shaped(self.numbers, current.ndim - 1)
        if bias_on:
            current = current + numbers.extra_current
        if self.state is None:
            self.state = self.neuron.start(numbers.initial_potential.expand_as(current[0]))
        if self.neuron.window is not None:
            charge = self.state.charged(current[0]).potential
            return numbers.spike_value * decoded(self.neuron, charge, numbers.threshold).unsqueeze(0)
        spikes = []
        for number in range(steps):
            charged = self.state.charged(at(current, number))
            self.state, spike = self.neuron.fire_smoothly(charged, numbers.threshold, self.surrogate)
            spikes.append(spike)
        return numbers.spike_value * torch.stack(spikes)


def shaped(numbers: SiteTensors, dimensions: int) -> SiteTensors:
    """The numbers shaped to broadcast against a batch of `dimensions` dimensions."""
    return SiteTensors(
        channelwise(numbers.threshold, dimensions),
        channelwise(numbers.spike_value, dimensions),
        channelwise(numbers.initial_potential, dimensions),
        channelwise(numbers.extra_current, dimensions),
    )


def decoded(neuron: Neuron, potential: Tensor, threshold: Tensor) -> Tensor:
    """What the K steps of a population with a window deliver, in spike values."""
    _, _, exact = neuron.fire_window(potential.detach(), threshold.detach())
    return straight_through(exact, neuron.smooth(potential / threshold))
