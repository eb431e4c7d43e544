"""Neurons of every kind in `neurons.ALL`, for laws: those listed here, else with their defaults."""

from __future__ import annotations

from collections.abc import Mapping

from respike import neurons
from respike.ir import ReLU
from respike.neurons import (
    Above,
    AtOrAbove,
    Burst,
    CanonicFewSpikes,
    CoarseToFine,
    Differential,
    FewSpikes,
    FittedDigits,
    FittedFewSpikes,
    IntegrateFire,
    LevelSpikes,
    MultiThreshold,
    Neuron,
    OffsetCorrected,
    PhaseCoded,
    ResidualSilenced,
    SignedDigits,
    SignedIntegrateFire,
    Subtract,
    TimeToFirstSpike,
    ToValue,
)

SAMPLES: Mapping[type[Neuron], tuple[Neuron, ...]] = {
    IntegrateFire: (
        IntegrateFire(Subtract(), AtOrAbove()),
        IntegrateFire(Subtract(), Above()),
        IntegrateFire(ToValue(0.0), AtOrAbove()),
        IntegrateFire(ToValue(-0.25), Above()),
    ),
    SignedIntegrateFire: (SignedIntegrateFire(), SignedIntegrateFire(most_total=3)),
    MultiThreshold: (MultiThreshold(1), MultiThreshold(3), MultiThreshold(8)),
    CoarseToFine: (CoarseToFine(), CoarseToFine((5, 3, 3, 1), most_total=9)),
    Differential: (Differential(), Differential(1, (1,)), Differential(3, (8, 2, 1), 0), Differential(2, (4, 1), 0, 9)),
    CanonicFewSpikes: (CanonicFewSpikes(1), CanonicFewSpikes(4), CanonicFewSpikes(9)),
    OffsetCorrected: (OffsetCorrected(2),),
    ResidualSilenced: (ResidualSilenced(3),),
    PhaseCoded: (PhaseCoded(4), PhaseCoded(3, periods=2)),
    LevelSpikes: (LevelSpikes(1), LevelSpikes(4), LevelSpikes(11)),
    SignedDigits: (SignedDigits(1), SignedDigits(4), SignedDigits(9)),
    FittedDigits: (FittedDigits((0.6,), (1.0,)), FittedDigits((5.0, 2.2, 0.8, 0.3), (9.5, 3.75, 1.25, 0.5))),
    TimeToFirstSpike: (TimeToFirstSpike(1), TimeToFirstSpike(3), TimeToFirstSpike(7)),
    Burst: (Burst(), Burst(1), Burst(2), Burst(1000)),
    FewSpikes: (FewSpikes(1), FewSpikes(4), FewSpikes(4, Above())),
    FittedFewSpikes: (
        FittedFewSpikes(ReLU(), (2.1, 0.9, 0.3, -0.2), (1.9, 1.0, 0.4, 0.1), (2.0, 1.1, 0.4, -0.1), -1.0, 4.0, 0.1),
    ),
}
ALL: list[Neuron] = [sample for kind in neurons.ALL for sample in SAMPLES.get(kind) or (kind(),)]
STEPPED = [neuron for neuron in ALL if neuron.window is None]
"""Those that run with every step."""
WINDOWED = [neuron for neuron in ALL if neuron.window is not None]
"""Those that fire for steps of their own."""
