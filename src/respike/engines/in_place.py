"""Populations whose potentials are changed in place: what the batched engine has for neurons that it meets often.

A neuron that has no entry in `IN_PLACE` is stepped by its definition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.engines.walk import at
from respike.neurons import Above, IntegrateFire, Neuron, ToValue

InPlace: TypeAlias = Callable[[Any, Tensor, Tensor, Tensor, Tensor], None]
"""Takes a neuron, its potentials `[batch, *shape]`, currents `[1 or steps, batch, *shape]`, spikes `[steps, …]` to
write, and the threshold; leaves the potentials after the last step."""


def _integrate_fire(
    neuron: IntegrateFire, potential: Tensor, current: Tensor, spikes: Tensor, threshold: Tensor
) -> None:
    reached = torch.gt if isinstance(neuron.fires, Above) else torch.ge
    value = neuron.reset.value if isinstance(neuron.reset, ToValue) else None
    scalar = float(threshold) if threshold.ndim == 0 else None
    for number, fired in enumerate(spikes):
        potential.add_(at(current, number))
        reached(potential, threshold, out=fired)
        if value is not None:
            potential.addcmul_(potential, fired, value=-1)  # v - v · z: zero exactly where it fired
            if value:
                potential.add_(fired, alpha=value)
        elif scalar is not None:
            potential.sub_(fired, alpha=scalar)
        else:
            potential.addcmul_(fired, threshold, value=-1)


IN_PLACE: Mapping[type[Neuron], InPlace] = {IntegrateFire: _integrate_fire}
"""By the neuron's class."""
