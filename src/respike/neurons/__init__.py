"""Neuron models: what a population does with its input current."""

from respike.neurons.integrate_fire import (
    Above,
    AtOrAbove,
    Firing,
    IntegrateFire,
    Neuron,
    Reset,
    SignedIntegrateFire,
    Subtract,
    ToValue,
    step,
)

__all__ = [
    "Above",
    "AtOrAbove",
    "Firing",
    "IntegrateFire",
    "Neuron",
    "Reset",
    "SignedIntegrateFire",
    "Subtract",
    "ToValue",
    "step",
]
