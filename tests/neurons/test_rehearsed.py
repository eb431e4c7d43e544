"""Neurons that rehearse: the equations of Hao et al. 2023, at their borders, too."""

from __future__ import annotations

import pytest
import torch

from respike.errors import InvalidOption
from respike.neurons import OffsetCorrected, ResidualSilenced
from respike.neurons.base import State
from respike.neurons.rehearsed import RehearsedNeuron

THRESHOLD = torch.tensor(2.0, dtype=torch.float64)
INITIAL = 0.5


def _rehearsed(neuron: RehearsedNeuron, left: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials after a rehearsal of one step that leaves these residues, and who fires in the next step."""
    initial = torch.full((len(left),), INITIAL, dtype=torch.float64)
    state: State = neuron.start(initial)
    wanted = torch.tensor(left, dtype=torch.float64)
    # A neuron at the threshold fires, so what is left of 2 and more is charged with one threshold more.
    charge = wanted + torch.where(wanted >= 0, THRESHOLD, torch.zeros_like(wanted)) - initial
    state, spikes = neuron.fire(state.charged(charge), THRESHOLD)
    assert torch.equal(spikes, (wanted >= 0).double())
    _, next_spikes = neuron.fire(state.charged(torch.full_like(wanted, 10.0)), THRESHOLD)
    return state.potential, next_spikes


def test_offsets_are_corrected_by_one_threshold() -> None:
    """`v(0) + θ` where a threshold or more is left, `v(0) - θ` below 0, `v(0)` elsewhere, at 0 as well."""
    left = [-3.0, -1e-9, 0.0, 1.0, 2.0 - 1e-9, 2.0, 5.0]
    potentials, spikes = _rehearsed(OffsetCorrected(1), left)
    assert potentials.tolist() == [INITIAL - 2, INITIAL - 2, INITIAL, INITIAL, INITIAL, INITIAL + 2, INITIAL + 2]
    assert bool(spikes.all())


def test_neurons_left_below_zero_fall_silent() -> None:
    left = [-3.0, -1e-9, 0.0, 1.0, 2.0]
    potentials, spikes = _rehearsed(ResidualSilenced(1), left)
    assert potentials.tolist() == [INITIAL] * 5
    assert spikes.tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("kind", [OffsetCorrected, ResidualSilenced])
def test_before_the_rehearsal_is_over_they_subtract(kind: type[RehearsedNeuron]) -> None:
    neuron = kind(3)
    state: State = neuron.start(torch.tensor([INITIAL], dtype=torch.float64))
    seen = []
    for _ in range(3):
        state, spikes = neuron.fire(state.charged(torch.tensor([1.75], dtype=torch.float64)), THRESHOLD)
        seen.append((float(spikes), float(state.potential)))
    assert seen == [(1.0, 0.25), (1.0, 0.0), (0.0, INITIAL)]
    assert not neuron.lossless


def test_a_rehearsal_has_a_step() -> None:
    assert OffsetCorrected(1).rehearsal == 1
    with pytest.raises(InvalidOption, match="1 step at least, not 0"):
        OffsetCorrected(0)
