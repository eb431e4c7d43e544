"""Neuron models: what a population does with its input current."""

from typing import TypeAlias

from respike.neurons.few_spikes import Coefficients, FewSpikes, FittedFewSpikes, LayerwiseNeuron, fire_few
from respike.neurons.integrate_fire import (
    RESETS,
    Above,
    AtOrAbove,
    Firing,
    IntegrateFire,
    Reset,
    SignedIntegrateFire,
    SteppedNeuron,
    Subtract,
    ToValue,
    step,
)

Neuron: TypeAlias = SteppedNeuron | LayerwiseNeuron

__all__ = [
    "RESETS",
    "Above",
    "AtOrAbove",
    "Coefficients",
    "FewSpikes",
    "Firing",
    "FittedFewSpikes",
    "IntegrateFire",
    "LayerwiseNeuron",
    "Neuron",
    "Reset",
    "SignedIntegrateFire",
    "SteppedNeuron",
    "Subtract",
    "ToValue",
    "fire_few",
    "step",
]
