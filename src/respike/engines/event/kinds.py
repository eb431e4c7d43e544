"""Which dynamics the compiled kernels know, and by which number.

A neuron that has no entry in `KINDS` is stepped by its definition, on currents that its input's spikes add up to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from respike.neurons import Above, Burst, IntegrateFire, Neuron, SignedIntegrateFire, ToValue

MOST_BITS = 8
"""Bits of an amplitude that the kernels write, at most."""


@dataclass(frozen=True)
class Kind:
    """How a kernel runs a neuron.

    Args:
        number: that of the dynamics, `Kind` in `native/kernels.hpp`.
        parameter: the value of a hard reset, or the largest amplitude.
        bits: of an amplitude.
    """

    number: int
    parameter: float = 0.0
    bits: int = 1


def _integrate_fire(neuron: IntegrateFire) -> Kind:
    above = isinstance(neuron.fires, Above)
    return Kind(2 + above, neuron.reset.value) if isinstance(neuron.reset, ToValue) else Kind(int(above))


def _burst(neuron: Burst) -> Kind | None:
    bits = neuron.most.bit_length()
    return Kind(5, float(neuron.most), bits) if bits <= MOST_BITS else None


KINDS: Mapping[type[Neuron], Callable[[Any], Kind | None]] = {
    IntegrateFire: _integrate_fire,
    SignedIntegrateFire: lambda _: Kind(4),
    Burst: _burst,
}
"""By the neuron's class."""


def kind_of(neuron: Neuron) -> Kind | None:
    """How the kernels run a neuron; None where they cannot."""
    find = KINDS.get(type(neuron))
    return None if find is None else find(neuron)
