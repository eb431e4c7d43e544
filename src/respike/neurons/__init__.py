"""Neuron models, one file each: what a population does with its input current."""

from respike.neurons.base import Neuron, State, Surrogate, straight_through
from respike.neurons.burst import Burst
from respike.neurons.canonic import CanonicFewSpikes
from respike.neurons.coarse_to_fine import CoarseToFine
from respike.neurons.differential import Differential
from respike.neurons.few_spikes import MOST_STEPS, Coefficients, FewSpikes, SequenceNeuron
from respike.neurons.first_spike import TimeToFirstSpike
from respike.neurons.fitted import FittedFewSpikes
from respike.neurons.fitted_digits import FittedDigits
from respike.neurons.integrate_fire import RESETS, IntegrateFire, Reset, Subtract, ToValue
from respike.neurons.levels import LevelSpikes
from respike.neurons.multi_threshold import MultiThreshold
from respike.neurons.phase import PhaseCoded
from respike.neurons.registry import KNOWN, register
from respike.neurons.rehearsed import OffsetCorrected, RehearsedNeuron, ResidualSilenced
from respike.neurons.signed import SignedIntegrateFire, TracedState, TracingNeuron
from respike.neurons.signed_digits import SignedDigits
from respike.neurons.thresholds import Above, AtOrAbove, Firing

ALL: tuple[type[Neuron], ...] = (
    IntegrateFire,
    SignedIntegrateFire,
    Burst,
    MultiThreshold,
    CoarseToFine,
    Differential,
    FewSpikes,
    FittedFewSpikes,
    CanonicFewSpikes,
    PhaseCoded,
    TimeToFirstSpike,
    LevelSpikes,
    SignedDigits,
    FittedDigits,
    OffsetCorrected,
    ResidualSilenced,
)
"""The neurons that come with respike."""
for _neuron in ALL:
    register(_neuron)

__all__ = [
    "ALL",
    "KNOWN",
    "MOST_STEPS",
    "RESETS",
    "Above",
    "AtOrAbove",
    "Burst",
    "CanonicFewSpikes",
    "CoarseToFine",
    "Coefficients",
    "Differential",
    "FewSpikes",
    "Firing",
    "FittedDigits",
    "FittedFewSpikes",
    "IntegrateFire",
    "LevelSpikes",
    "MultiThreshold",
    "Neuron",
    "OffsetCorrected",
    "PhaseCoded",
    "RehearsedNeuron",
    "Reset",
    "ResidualSilenced",
    "SequenceNeuron",
    "SignedDigits",
    "SignedIntegrateFire",
    "State",
    "Subtract",
    "Surrogate",
    "TimeToFirstSpike",
    "ToValue",
    "TracedState",
    "TracingNeuron",
    "register",
    "straight_through",
]
