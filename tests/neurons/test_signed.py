"""Signed neurons whose sum of spikes is bounded."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike.errors import InvalidOption
from respike.neurons import SignedIntegrateFire, State


@settings(max_examples=80, derandomize=True)
@given(quarters=st.lists(st.integers(-12, 12), min_size=1, max_size=12), most=st.integers(1, 5))
def test_drained_it_is_a_quantiser_of_so_many_levels(quarters: list[int], most: int) -> None:
    """In any order of arrival: `clip(floor(v0 + Σ input), 0, most)`, with a threshold of 1."""
    neuron, threshold = SignedIntegrateFire(most_total=most), torch.tensor(1.0)
    state: State = neuron.start(torch.tensor([0.5]))
    total = 0
    for current in [*quarters, *[0] * (sum(map(abs, quarters)) + 20)]:
        state, spikes = neuron.step(state, torch.tensor([current / 4]), threshold)
        total += int(spikes)
        assert 0 <= total <= most
        assert float(spikes) in (-1.0, 0.0, 1.0)
    assert total == min(max((2 + sum(quarters)) // 4, 0), most)


def test_training_steps_as_it_runs() -> None:
    neuron, threshold = SignedIntegrateFire(most_total=2), torch.tensor(1.0)
    plain: State = neuron.start(torch.tensor([0.5, 0.5]))
    smooth = plain
    for current in ([1.5, 0.2], [2.0, 0.9], [1.0, -3.0], [-9.0, 0.0]):
        plain, spikes = neuron.step(plain, torch.tensor(current), threshold)
        smooth, trained = neuron.fire_smoothly(smooth.charged(torch.tensor(current)), threshold, torch.sigmoid)
        assert torch.equal(spikes, trained)


def test_its_bound_is_1_at_least() -> None:
    with pytest.raises(InvalidOption, match="most_total=0"):
        SignedIntegrateFire(most_total=0)
