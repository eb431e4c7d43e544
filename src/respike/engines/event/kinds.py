"""Which dynamics the compiled kernels know, and by which name.

A neuron that has no entry in `KINDS` is stepped by its definition, on currents that its input's spikes add up to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from respike.engines.event._native import MOST_BURST_BITS, Dynamics
from respike.neurons import Above, Burst, IntegrateFire, Neuron, SignedIntegrateFire, ToValue


@dataclass(frozen=True)
class Kind:
    """How a kernel runs a neuron.

    Args:
        dynamics: which steps it takes.
        parameter: the value of a hard reset, or the largest amplitude.
        bits: of an amplitude.
    """

    dynamics: Dynamics
    parameter: float = 0.0
    bits: int = 1


def _integrate_fire(neuron: IntegrateFire) -> Kind:
    above = isinstance(neuron.fires, Above)
    if isinstance(neuron.reset, ToValue):
        return Kind(Dynamics.to_value_above if above else Dynamics.to_value_at, neuron.reset.value)
    return Kind(Dynamics.subtract_above if above else Dynamics.subtract_at)


def _burst(neuron: Burst) -> Kind | None:
    bits = neuron.most.bit_length()
    return Kind(Dynamics.burst, float(neuron.most), bits) if bits <= MOST_BURST_BITS else None


KINDS: Mapping[type[Neuron], Callable[[Any], Kind | None]] = {
    IntegrateFire: _integrate_fire,
    SignedIntegrateFire: lambda neuron: Kind(Dynamics.tracer) if neuron.most_total is None else None,
    Burst: _burst,
}
"""By the neuron's class."""


def kind_of(neuron: Neuron) -> Kind | None:
    """How the kernels run a neuron; None where they cannot."""
    find = KINDS.get(type(neuron))
    return None if find is None else find(neuron)
